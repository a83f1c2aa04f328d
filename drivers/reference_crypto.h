// The SSH record protection written a second time, as plainly as possible, on OpenSSL's one-shot calls: the outside
// authority that drivers are compared with, by the tests and by sluice-offload. Shares no code with them.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "crypto_offload/cipher_suite.h"

namespace sluice {

struct ReferenceKeys {
  std::vector<uint8_t> cipher_key;
  std::vector<uint8_t> iv;
  std::vector<uint8_t> mac_key;
};

ReferenceKeys random_keys(const CipherSuite& suite, uint64_t seed);

// `record` is length field, padding length, payload, padding in clear. Returns wire bytes with the tag. `iv` is the
// record's own.
std::vector<uint8_t> reference_seal(const CipherSuite& suite, const ReferenceKeys& keys, uint32_t sequence, Bytes iv,
                                    Bytes record);

// A record in clear around a payload, with padding bytes that depend on the seed.
std::vector<uint8_t> frame_payload(const CipherSuite& suite, Bytes payload, uint64_t seed = 1);

}  // namespace sluice
