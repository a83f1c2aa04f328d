// The bare libraries over the same bytes as the record layer, at their best: the yardstick beside every row.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "crypto_offload/cipher_suite.h"

namespace sluice::bench {

// Seals `records` records of `length` bytes (length field and body) that start `stride` apart in memory.
class RawLibrary {
 public:
  virtual ~RawLibrary() = default;
  virtual void seal(uint8_t* first, size_t stride, size_t records, uint32_t length) = 0;
};

// Null where the library has nothing for the suite.
std::unique_ptr<RawLibrary> raw_openssl(const CipherSuite& suite);
std::unique_ptr<RawLibrary> raw_ipsec_mb(const CipherSuite& suite);

}  // namespace sluice::bench
