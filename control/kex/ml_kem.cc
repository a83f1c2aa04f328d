// K-PKE (FIPS 203 section 5) and the Fujisaki-Okamoto transform around it (section 6).
#include "control/kex/ml_kem.h"

#include "base/check.h"
#include "base/random.h"
#include "control/kex/hash.h"
#include "control/kex/ml_kem_ring.h"
#include "control/kex/wiped.h"

namespace sluice::ml_kem {
namespace {

constexpr size_t kPackedPoly = 384;
constexpr size_t kPackedVector = kRank * kPackedPoly;
constexpr size_t kCompressedU = 320;
constexpr size_t kBinomialBytes = 128;
constexpr size_t kShake128Block = 168;

using Seed = std::array<uint8_t, kSeedSize>;
using SeedPair = std::array<uint8_t, 2 * kSeedSize>;
using Ciphertext = std::array<uint8_t, kCiphertextSize>;

struct SeedBytes {
  Seed bytes;
};
struct SeedPairBytes {
  SeedPair bytes;

  Bytes first() const { return Bytes(bytes).first(kSeedSize); }
  Bytes second() const { return Bytes(bytes).last(kSeedSize); }
};

// Entry (row, column) of the public matrix. Three blocks are enough 99 times in 100; libcrypto 3.0 squeezes only once,
// so otherwise it is asked again for more.
Poly sample_entry(Hasher& shake128, Bytes rho, size_t row, size_t column) {
  const std::array<uint8_t, 2> indices{static_cast<uint8_t>(column), static_cast<uint8_t>(row)};
  Poly entry;
  std::array<uint8_t, 16 * kShake128Block> stream;
  for (size_t blocks = 3;; blocks = 16) {
    const MutableBytes taken = MutableBytes(stream).first(blocks * kShake128Block);
    shake128.update(rho).update(indices).finish(taken);
    if (sample_uniform(entry, 0, taken) == kN) return entry;
    // 16 blocks hold 1792 candidates of which 1456 fit on average: fewer than 256 do not happen.
    SLUICE_CHECK(blocks < 16);
  }
}

PolyVector sample_row(Hasher& shake128, Bytes rho, size_t row) {
  PolyVector out;
  for (size_t j = 0; j < kRank; ++j) out.p[j] = sample_entry(shake128, rho, row, j);
  return out;
}

PolyVector sample_column(Hasher& shake128, Bytes rho, size_t column) {
  PolyVector out;
  for (size_t i = 0; i < kRank; ++i) out.p[i] = sample_entry(shake128, rho, i, column);
  return out;
}

// The noise polynomials of one seed, numbered in the order in which they are drawn.
class Noise {
 public:
  explicit Noise(Bytes seed) : shake256_(HashId::shake256), seed_(seed) {}

  void draw(Poly& a) {
    struct Stream {
      std::array<uint8_t, kBinomialBytes> bytes;
    };
    Wiped<Stream> stream;
    shake256_.update(seed_).update({&number_, 1}).finish(stream.bytes);
    ++number_;
    sample_binomial(a, stream.bytes.data());
  }
  void draw_ntt(PolyVector& v) {
    for (Poly& a : v.p) {
      draw(a);
      to_ntt(a);
    }
  }

 private:
  Hasher shake256_;
  Bytes seed_;
  uint8_t number_ = 0;
};

bool unpack_vector(PolyVector& v, Bytes packed) {
  bool below_q = true;
  for (size_t i = 0; i < kRank; ++i) below_q &= unpack_12(v.p[i], packed.data() + i * kPackedPoly);
  return below_q;
}

// FIPS 203 algorithm 13.
void generate_pke(Bytes d, uint8_t* encapsulation_key, uint8_t* decapsulation_key) {
  Wiped<SeedPairBytes> expanded;
  const uint8_t rank = kRank;
  hash_into(HashId::sha3_512, {d, {&rank, 1}}, expanded.bytes);
  const Bytes rho = expanded.first();

  Noise noise(expanded.second());
  Wiped<PolyVector> secret;
  Wiped<PolyVector> error;
  noise.draw_ntt(secret);
  noise.draw_ntt(error);

  Hasher shake128(HashId::shake128);
  for (size_t i = 0; i < kRank; ++i) {
    Poly t;
    dot_product(t, sample_row(shake128, rho, i), secret);
    undo_montgomery(t);
    add_reduced(t, error.p[i]);
    pack_12(t, encapsulation_key + i * kPackedPoly);
    pack_12(secret.p[i], decapsulation_key + i * kPackedPoly);
  }
  std::memcpy(encapsulation_key + kPackedVector, rho.data(), rho.size());
}

// FIPS 203 algorithm 14.
void encrypt(Bytes rho, const PolyVector& t, Bytes message, Bytes randomness, uint8_t* ciphertext) {
  Noise noise(randomness);
  Wiped<PolyVector> y;
  noise.draw_ntt(y);

  Hasher shake128(HashId::shake128);
  Wiped<Poly> drawn;
  Wiped<Poly> sum;
  for (size_t i = 0; i < kRank; ++i) {
    dot_product(sum, sample_column(shake128, rho, i), y);
    from_ntt_of_product(sum);
    noise.draw(drawn);
    add_reduced(sum, drawn);
    compress<10>(sum, ciphertext + i * kCompressedU);
  }
  dot_product(sum, t, y);
  from_ntt_of_product(sum);
  noise.draw(drawn);
  add_reduced(sum, drawn);
  decompress<1>(drawn, message.data());
  add_reduced(sum, drawn);
  compress<4>(sum, ciphertext + kRank * kCompressedU);
}

// FIPS 203 algorithm 15.
void decrypt(const PolyVector& secret, Bytes ciphertext, MutableBytes message) {
  PolyVector u;
  for (size_t i = 0; i < kRank; ++i) {
    decompress<10>(u.p[i], ciphertext.data() + i * kCompressedU);
    to_ntt(u.p[i]);
  }
  Wiped<Poly> product;
  dot_product(product, secret, u);
  from_ntt_of_product(product);
  Wiped<Poly> w;
  decompress<4>(w, ciphertext.data() + kRank * kCompressedU);
  subtract_reduced(w, product);
  compress<1>(w, message.data());
}

// All ones where the two differ, else zero, in a time that says nothing about where.
uint8_t difference_mask(Bytes a, Bytes b) {
  uint32_t difference = 0;
  for (size_t i = 0; i < a.size(); ++i) difference |= static_cast<uint32_t>(a[i] ^ b[i]);
  uint32_t mask = (0u - difference) >> 8;
  // The barrier keeps the compiler from making a branch of the selection.
  asm volatile("" : "+r"(mask));
  return static_cast<uint8_t>(mask);
}

}  // namespace

KemKeyPair generate_from(Bytes d, Bytes z) {
  SLUICE_CHECK(d.size() == kSeedSize && z.size() == kSeedSize);
  KemKeyPair pair{std::vector<uint8_t>(kEncapsulationKeySize), Secret(kDecapsulationKeySize)};
  uint8_t* secret = pair.secret_key.data();
  generate_pke(d, pair.public_key.data(), secret);
  secret += kPackedVector;
  std::memcpy(secret, pair.public_key.data(), kEncapsulationKeySize);
  secret += kEncapsulationKeySize;
  hash_into(HashId::sha3_256, {pair.public_key}, {secret, kSeedSize});
  std::memcpy(secret + kSeedSize, z.data(), kSeedSize);
  return pair;
}

KemKeyPair generate() {
  Wiped<SeedPairBytes> seeds;
  fill_random(seeds.bytes);
  return generate_from(seeds.first(), seeds.second());
}

// FIPS 203 algorithm 17, with the input checks of section 7.2.
Result<Encapsulation> encapsulate_with(Bytes encapsulation_key, Bytes m) {
  SLUICE_CHECK(m.size() == kSeedSize);
  if (encapsulation_key.size() != kEncapsulationKeySize) return fail(ErrorCode::malformed_message);
  PolyVector t;
  if (!unpack_vector(t, encapsulation_key.first(kPackedVector))) return fail(ErrorCode::key_exchange_value);

  Seed key_hash;
  hash_into(HashId::sha3_256, {encapsulation_key}, key_hash);
  Wiped<SeedPairBytes> derived;
  hash_into(HashId::sha3_512, {m, key_hash}, derived.bytes);

  Encapsulation out{std::vector<uint8_t>(kCiphertextSize), Secret(derived.first())};
  encrypt(encapsulation_key.last(kSeedSize), t, m, derived.second(), out.ciphertext.data());
  return out;
}

Result<Encapsulation> encapsulate(Bytes encapsulation_key) {
  Wiped<SeedBytes> m;
  fill_random(m.bytes);
  return encapsulate_with(encapsulation_key, m.bytes);
}

// FIPS 203 algorithm 18.
Result<Secret> decapsulate(const Secret& decapsulation_key, Bytes ciphertext) {
  SLUICE_CHECK(decapsulation_key.size() == kDecapsulationKeySize);
  if (ciphertext.size() != kCiphertextSize) return fail(ErrorCode::malformed_message);
  const Bytes packed_secret = decapsulation_key.view().first(kPackedVector);
  const Bytes encapsulation_key = decapsulation_key.view().subspan(kPackedVector, kEncapsulationKeySize);
  const Bytes key_hash = decapsulation_key.view().subspan(kPackedVector + kEncapsulationKeySize, kSeedSize);
  const Bytes z = decapsulation_key.view().last(kSeedSize);

  Wiped<PolyVector> vector;
  unpack_vector(vector, packed_secret);
  Wiped<SeedBytes> message;
  decrypt(vector, ciphertext, message.bytes);

  Wiped<SeedPairBytes> derived;
  hash_into(HashId::sha3_512, {message.bytes, key_hash}, derived.bytes);
  Wiped<SeedBytes> rejection;
  hash_into(HashId::shake256, {z, ciphertext}, rejection.bytes);

  PolyVector t;
  unpack_vector(t, encapsulation_key.first(kPackedVector));
  // Until it is known to equal the peer's, a re-encryption tells about the secret key.
  Secret again(kCiphertextSize);
  encrypt(encapsulation_key.last(kSeedSize), t, message.bytes, derived.second(), again.data());

  const uint8_t rejected = difference_mask(again.view(), ciphertext);
  Secret shared(derived.first());
  for (size_t i = 0; i < kSeedSize; ++i) {
    shared.data()[i] = static_cast<uint8_t>(shared.data()[i] ^ (rejected & (shared.data()[i] ^ rejection.bytes[i])));
  }
  return shared;
}

}  // namespace sluice::ml_kem

namespace sluice {

const Kem kMlKem768{ml_kem::kEncapsulationKeySize, ml_kem::kCiphertextSize, ml_kem::generate, ml_kem::encapsulate,
                    ml_kem::decapsulate};

}  // namespace sluice
