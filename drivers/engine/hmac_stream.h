// HmacStream: HMAC (RFC 2104) with SHA-1 and SHA-2 of a message in pieces, the two blocks of the key hashed once.
//
// By libcrypto's low-level digests: what they hash with is what OpenSSL's HMAC hashes with, and they do not allocate
// (docs/adr/0009-hmac-of-one-message.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace sluice {

inline constexpr size_t kMostHmacBytes = 64;

class HmacStream {
 public:
  struct Digest;
  // By OpenSSL's names for them; null for another one.
  static const Digest* find(std::string_view name);
  // For the names that a digest has besides, which libcrypto knows.
  static const char* name_at(size_t i);
  static const size_t kDigests;

  HmacStream() = default;
  HmacStream(const HmacStream&) = default;
  HmacStream& operator=(const HmacStream&) = delete;
  ~HmacStream();

  // Begins a message too.
  void set_key(const Digest& digest, Bytes key);
  bool keyed() const { return digest_ != nullptr; }
  void restart() { running_ = inner_; }
  void update(Bytes piece);
  // bytes_of(digest) of them. Restart before the next message.
  void finish(uint8_t* out);

  static size_t bytes_of(const Digest& digest);
  static size_t block_of(const Digest& digest);

 private:
  // Any of libcrypto's states.
  struct alignas(16) State {
    uint8_t bytes[256];
  };
  const Digest* digest_ = nullptr;
  State inner_{}, outer_{}, running_{};
};

}  // namespace sluice
