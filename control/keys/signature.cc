// r and s on their way between the wire and DER.
#include "control/keys/signature.h"

#include "base/wire.h"

namespace sluice {
namespace {

constexpr size_t kDsaHalf = 20;

bool in_range(const BIGNUM* value, const BIGNUM* order) { return !BN_is_zero(value) && BN_cmp(value, order) < 0; }

KeyResult<std::vector<uint8_t>> der_from(BigNumber r, BigNumber s, const BIGNUM* order) {
  if (!r || !s || !order) return fail(KeyError::crypto_library);
  // Zero makes some verifiers accept anything; an s beyond the order is a second signature for the same data.
  if (!in_range(r.get(), order) || !in_range(s.get(), order)) return fail(KeyError::bad_signature);
  const EcdsaPair pair(ECDSA_SIG_new());
  if (!pair || ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) return fail(KeyError::crypto_library);
  (void)r.release();
  (void)s.release();
  const int size = i2d_ECDSA_SIG(pair.get(), nullptr);
  if (size <= 0) return fail(KeyError::crypto_library);
  std::vector<uint8_t> der(static_cast<size_t>(size));
  uint8_t* out = der.data();
  if (i2d_ECDSA_SIG(pair.get(), &out) != size) return fail(KeyError::crypto_library);
  return der;
}

EcdsaPair pair_from(Bytes der) {
  const uint8_t* in = der.data();
  return EcdsaPair(d2i_ECDSA_SIG(nullptr, &in, static_cast<long>(der.size())));
}

std::vector<uint8_t> magnitude_of(const BIGNUM* value) {
  std::vector<uint8_t> magnitude(static_cast<size_t>(BN_num_bytes(value)));
  BN_bn2bin(value, magnitude.data());
  return magnitude;
}

}  // namespace

KeyResult<std::vector<uint8_t>> ecdsa_der_from_wire(Bytes body, const BIGNUM* order) {
  WireReader fields(body);
  const Bytes r = fields.mpint();
  const Bytes s = fields.mpint();
  if (!fields.ok()) return fail(KeyError::malformed);
  if (!fields.at_end()) return fail(KeyError::trailing_bytes);
  return der_from(number_from(r), number_from(s), order);
}

KeyResult<std::vector<uint8_t>> dsa_der_from_wire(Bytes body, const BIGNUM* order) {
  if (body.size() != 2 * kDsaHalf) return fail(KeyError::malformed);
  // A DSA signature in DER is the same SEQUENCE of two INTEGERs as an ECDSA one.
  return der_from(number_from(body.first(kDsaHalf)), number_from(body.last(kDsaHalf)), order);
}

KeyResult<std::vector<uint8_t>> ecdsa_wire_from_der(Bytes der) {
  const EcdsaPair pair = pair_from(der);
  if (!pair) return fail(KeyError::crypto_library);
  WireWriter body;
  body.mpint(magnitude_of(ECDSA_SIG_get0_r(pair.get()))).mpint(magnitude_of(ECDSA_SIG_get0_s(pair.get())));
  return body.take();
}

KeyResult<std::vector<uint8_t>> dsa_wire_from_der(Bytes der) {
  const EcdsaPair pair = pair_from(der);
  std::vector<uint8_t> body(2 * kDsaHalf);
  if (!pair || BN_bn2binpad(ECDSA_SIG_get0_r(pair.get()), body.data(), kDsaHalf) < 0 ||
      BN_bn2binpad(ECDSA_SIG_get0_s(pair.get()), body.data() + kDsaHalf, kDsaHalf) < 0)
    return fail(KeyError::crypto_library);
  return body;
}

}  // namespace sluice
