// X25519Key: an ephemeral Curve25519 key, alone (RFC 8731) or as the classical half of a hybrid method.
#pragma once

#include <array>
#include <memory>

#include "base/result.h"
#include "base/secret.h"

struct evp_pkey_st;

namespace sluice {

class X25519Key {
 public:
  static constexpr size_t kSize = 32;
  using Public = std::array<uint8_t, kSize>;

  static X25519Key generate();
  static X25519Key from_private(Bytes private_key);

  const Public& public_key() const { return public_; }
  // 32 bytes. A result of zero, which small-order points give, is refused: the peer alone would have chosen it.
  Result<Secret> agree(Bytes peer) const;

 private:
  struct Free {
    void operator()(evp_pkey_st* key) const;
  };
  std::unique_ptr<evp_pkey_st, Free> key_;
  Public public_{};
};

}  // namespace sluice
