// Hasher: the hashes that key exchange needs, over libcrypto, with the algorithm looked up once a process.
//
// A lookup in OpenSSL 3 takes a lock and costs more than hashing a short input, and ML-KEM hashes dozens of those.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>

#include "base/bytes.h"

struct evp_md_ctx_st;

namespace sluice {

enum class HashId : uint8_t { sha1, sha256, sha384, sha512, sha3_256, sha3_512, shake128, shake256, count_ };

// Bytes of a digest; 0 for the SHAKEs, whose output is as long as it is asked to be.
size_t hash_size(HashId id);
inline constexpr size_t kMaxHashSize = 64;

struct Digest {
  std::array<uint8_t, kMaxHashSize> bytes{};
  size_t size = 0;

  Bytes view() const { return Bytes(bytes).first(size); }
};

class Hasher {
 public:
  explicit Hasher(HashId id);

  Hasher& update(Bytes input);
  // `out` is exactly the digest's size, any size for a SHAKE. The hasher is then ready for the next input.
  void finish(MutableBytes out);

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  // Freed contexts are cleansed by libcrypto, so a hasher that saw a secret must not outlive its use.
  std::unique_ptr<evp_md_ctx_st, Free> context_;
  HashId id_;
};

void hash_into(HashId id, std::initializer_list<Bytes> parts, MutableBytes out);

}  // namespace sluice
