// DhGroup and DhAgreement: Diffie-Hellman modulo a safe prime, in a standard group or in one that a server chose.
#pragma once

#include <openssl/bn.h>

#include "control/kex/key_agreement.h"

namespace sluice {

struct FreeBignum {
  void operator()(BIGNUM* number) const { BN_clear_free(number); }
};
using Bignum = std::unique_ptr<BIGNUM, FreeBignum>;

class DhGroup {
 public:
  // The groups of RFC 3526 by the size of their modulus; 1024 is group 1 of RFC 2409.
  static std::shared_ptr<const DhGroup> standard(unsigned bits);
  // From a peer or a file: an odd modulus and a generator inside it. That the modulus is prime is the word of the
  // server, whose signature covers it; proving it would take longer than the exchange.
  static Result<std::shared_ptr<const DhGroup>> from(Bytes modulus, Bytes generator);

  DhGroup(Bignum modulus, Bignum generator);

  const BIGNUM* modulus() const { return p_.get(); }
  const BIGNUM* generator() const { return g_.get(); }
  unsigned bits() const { return static_cast<unsigned>(BN_num_bits(p_.get())); }
  size_t bytes() const { return static_cast<size_t>(BN_num_bytes(p_.get())); }
  std::vector<uint8_t> modulus_bytes() const;
  std::vector<uint8_t> generator_bytes() const;

  // 1 < value < p - 1, and neither nearly all bits 0 nor nearly all bits 1.
  bool is_public_value(const BIGNUM* value) const;
  bool is_inside(const BIGNUM* value) const;

 private:
  Bignum p_;
  Bignum g_;
  Bignum p_minus_1_;
};

class DhAgreement final : public SymmetricAgreement {
 public:
  explicit DhAgreement(std::shared_ptr<const DhGroup> group) : group_(std::move(group)) {}

  // Whether what was prepared may be shown: a group that a peer chose may have nothing that may.
  bool has_public_value() const;

 protected:
  void prepare() override;
  std::vector<uint8_t> public_value() const override;
  Result<Secret> agree(Bytes peer) const override;

 private:
  std::shared_ptr<const DhGroup> group_;
  Bignum private_;
  Bignum public_;
};

}  // namespace sluice
