// Why a call is refused, in libcrypto's queue of errors and in the words of its own providers.
#pragma once

#include <openssl/err.h>
#include <openssl/proverr.h>

namespace sluice {

// reason: PROV_R_...
inline bool refuse(int reason) {
  ERR_raise(ERR_LIB_PROV, reason);
  return false;
}

}  // namespace sluice
