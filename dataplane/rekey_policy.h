// When a direction's keys must be replaced: a pure function of what was done with them.
#pragma once

#include <cstdint>

#include "crypto_offload/cipher_suite.h"

namespace sluice {

struct RekeyLimits {
  uint64_t volume_bytes = uint64_t{1024} << 20;        // default of the routers' `ssh server rekey-volume`
  uint64_t time_ns = uint64_t{60} * 60 * 1000000000u;  // and of `ssh server rekey-time`
  uint64_t records = uint64_t{1} << 31;                // RFC 4344 section 3.1
};

struct KeyUse {
  uint64_t bytes;
  uint64_t records;
  uint64_t age_ns;
};

enum class RekeyAdvice : uint8_t {
  keep,
  rekey,   // start a key exchange; data goes on under the old key meanwhile
  refuse,  // the key is used up: not one record more
};

RekeyAdvice rekey_advice(const CipherSuite& suite, const KeyUse& use, const RekeyLimits& limits);

}  // namespace sluice
