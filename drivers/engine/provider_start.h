// How our provider begins: as a module of its own (sluice-provider.so), and inside the ENGINE's.
#pragma once

#include <openssl/core_dispatch.h>

#include "drivers/engine/served_list.h"

namespace sluice {

// What an OSSL_provider_init() does. The library is where OpenSSL's own implementations are found: a child of the
// program's, which the provider frees at its end, or null, the default one. 0 without memory.
int start_provider(const ServedModes& modes, OSSL_LIB_CTX* library, const OSSL_DISPATCH** out, void** provider);

}  // namespace sluice
