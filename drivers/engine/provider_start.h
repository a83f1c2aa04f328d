// How our provider begins: as a module of its own (sluice-provider.so), and inside the ENGINE's.
#pragma once

#include <openssl/core_dispatch.h>

#include "drivers/engine/served_list.h"

namespace sluice {

// What an OSSL_provider_init() does. 0 without memory.
int start_provider(const ServedModes& modes, const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH* in,
                   const OSSL_DISPATCH** out, void** provider);

}  // namespace sluice
