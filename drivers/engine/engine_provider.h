// The provider inside the ENGINE's module: what OpenSSL 3 does not let an ENGINE do.
#pragma once

#include "drivers/engine/served_list.h"

namespace sluice {

// Beside the providers that the program has, in its default context, once a process. It is preferred where
// `default_properties = ?provider=sluice` says so. False where libcrypto does not take it.
bool serve_by_provider(const ServedModes& modes);

}  // namespace sluice
