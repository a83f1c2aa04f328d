// The core encryption of Streamlined NTRU Prime and the transform that makes a KEM of it.
//
// A secret key is f, 1/g modulo 3, the public key, the rejection secret rho and the public key's hash, in that order.
#include "control/kex/sntrup761.h"

#include "base/check.h"
#include "base/random.h"
#include "control/kex/hash.h"
#include "control/kex/sntrup761_codec.h"
#include "control/kex/wiped.h"

namespace sluice::sntrup761 {
namespace {

constexpr size_t kHash = 32;
static_assert(kBigSize == kPublicKeySize && kRoundedSize + kHash == kCiphertextSize);
static_assert(3 * kSmallSize + kBigSize + kHash == kSecretKeySize);

// What each hash is for is told by its first byte.
enum class HashUse : uint8_t { rejected = 0, session = 1, confirm = 2, secret = 3, public_key = 4 };

struct HashBytes {
  std::array<uint8_t, kHash> bytes;
};
struct SmallBytes {
  std::array<uint8_t, kSmallSize> bytes;
};
struct RandomWords {
  std::array<uint32_t, kP> word;
};

// The first half of SHA-512.
void hash_for(uint8_t use, std::initializer_list<Bytes> parts, uint8_t* out) {
  struct Full {
    std::array<uint8_t, kMaxHashSize> bytes;
  };
  Wiped<Full> full;
  Hasher sha512(HashId::sha512);
  sha512.update({&use, 1});
  for (Bytes part : parts) sha512.update(part);
  sha512.finish(full.bytes);
  std::memcpy(out, full.bytes.data(), kHash);
}

void hash_for(HashUse use, std::initializer_list<Bytes> parts, uint8_t* out) {
  hash_for(static_cast<uint8_t>(use), parts, out);
}

void draw_words(RandomWords& words, const RandomSource& random) {
  random({reinterpret_cast<uint8_t*>(words.word.data()), sizeof words.word});
  for (uint32_t& word : words.word) word = load_le32(reinterpret_cast<const uint8_t*>(&word));
}

// Every coefficient uniform modulo 3, but for a bias of 2^-30.
void draw_small(Small& a, const RandomSource& random) {
  Wiped<RandomWords> words;
  draw_words(words, random);
  for (size_t i = 0; i < kP; ++i) {
    a.c[i] = static_cast<int8_t>(static_cast<int32_t>(((words.word[i] & 0x3fffffff) * 3) >> 30) - 1);
  }
}

// kWeight coefficients of 1 or -1 in random places: sorting random words carries the marks in their two low bits along.
void draw_short(Small& a, const RandomSource& random) {
  Wiped<RandomWords> words;
  draw_words(words, random);
  for (size_t i = 0; i < kWeight; ++i) words.word[i] &= ~1u;
  for (size_t i = kWeight; i < kP; ++i) words.word[i] = (words.word[i] & ~3u) | 1;
  sort(words.word);
  for (size_t i = 0; i < kP; ++i) a.c[i] = static_cast<int8_t>(static_cast<int32_t>(words.word[i] & 3) - 1);
}

struct KeyParts {
  explicit KeyParts(Bytes secret_key)
      : f(secret_key.first(kSmallSize)),
        g_inverse(secret_key.subspan(kSmallSize, kSmallSize)),
        public_key(secret_key.subspan(2 * kSmallSize, kBigSize)),
        rho(secret_key.subspan(2 * kSmallSize + kBigSize, kSmallSize)),
        public_key_hash(secret_key.last(kHash)) {}

  Bytes f;
  Bytes g_inverse;
  Bytes public_key;
  Bytes rho;
  Bytes public_key_hash;
};

// The ciphertext of r: h * r rounded, then a hash that confirms r.
void encrypt(const Small& r, Bytes encoded_r, Bytes public_key, Bytes public_key_hash, uint8_t* ciphertext) {
  Wiped<Big> h;
  decode(h, public_key.data());
  Wiped<Big> c;
  multiply(c, h, r);
  round_to_multiples_of_3(c);
  encode_rounded(c, ciphertext);
  Wiped<HashBytes> secret_hash;
  hash_for(HashUse::secret, {encoded_r}, secret_hash.bytes.data());
  hash_for(HashUse::confirm, {secret_hash.bytes, public_key_hash}, ciphertext + kRoundedSize);
}

// r, or a fixed polynomial of the right weight where the ciphertext was not made from one.
void decrypt(Small& r, const KeyParts& key, Bytes ciphertext) {
  Wiped<Small> f;
  Wiped<Small> g_inverse;
  decode(f, key.f.data());
  decode(g_inverse, key.g_inverse.data());
  Wiped<Big> c;
  decode_rounded(c, ciphertext.data());
  Wiped<Big> product;
  multiply(product, c, f);
  triple(product);
  Wiped<Small> e;
  reduce_mod_3(e, product);
  multiply(r, e, g_inverse);

  const int32_t wrong = wrong_weight_mask(r);
  for (size_t i = 0; i < kP; ++i) {
    const int32_t fallback = i < kWeight ? 1 : 0;
    r.c[i] = static_cast<int8_t>(r.c[i] ^ (wrong & (r.c[i] ^ fallback)));
  }
}

void hash_session(uint8_t use, Bytes encoded_r, Bytes ciphertext, Secret& shared) {
  Wiped<HashBytes> secret_hash;
  hash_for(HashUse::secret, {encoded_r}, secret_hash.bytes.data());
  hash_for(use, {secret_hash.bytes, ciphertext}, shared.data());
}

// 1 where the two are equal, else 0, in a time that says nothing about where they differ.
uint32_t equal_bit(Bytes a, Bytes b) {
  uint32_t difference = 0;
  for (size_t i = 0; i < a.size(); ++i) difference |= static_cast<uint32_t>(a[i] ^ b[i]);
  uint32_t equal = (difference - 1) >> 31;
  // The barrier keeps the compiler from making branches of the selections.
  asm volatile("" : "+r"(equal));
  return equal;
}

}  // namespace

KemKeyPair generate_from(const RandomSource& random) {
  Wiped<Small> g;
  Wiped<Small> g_inverse;
  // Which candidates for g are dropped says nothing about the one that stays.
  do {
    draw_small(g, random);
  } while (!invert(g_inverse, g));
  Wiped<Small> f;
  draw_short(f, random);
  Wiped<Big> inverse;
  invert_triple(inverse, f);
  Wiped<Big> h;
  multiply(h, inverse, g);

  KemKeyPair pair{std::vector<uint8_t>(kPublicKeySize), Secret(kSecretKeySize)};
  encode(h, pair.public_key.data());
  uint8_t* secret = pair.secret_key.data();
  encode(f, secret);
  encode(g_inverse, secret + kSmallSize);
  secret += 2 * kSmallSize;
  std::memcpy(secret, pair.public_key.data(), kBigSize);
  secret += kBigSize;
  random({secret, kSmallSize});
  hash_for(HashUse::public_key, {pair.public_key}, secret + kSmallSize);
  return pair;
}

Result<Encapsulation> encapsulate_from(Bytes public_key, const RandomSource& random) {
  if (public_key.size() != kPublicKeySize) return fail(ErrorCode::malformed_message);
  HashBytes public_key_hash;
  hash_for(HashUse::public_key, {public_key}, public_key_hash.bytes.data());
  Wiped<Small> r;
  draw_short(r, random);
  Wiped<SmallBytes> encoded_r;
  encode(r, encoded_r.bytes.data());

  Encapsulation out{std::vector<uint8_t>(kCiphertextSize), Secret(kKemSecretSize)};
  encrypt(r, encoded_r.bytes, public_key, public_key_hash.bytes, out.ciphertext.data());
  hash_session(static_cast<uint8_t>(HashUse::session), encoded_r.bytes, out.ciphertext, out.shared);
  return out;
}

Result<Secret> decapsulate(const Secret& secret_key, Bytes ciphertext) {
  SLUICE_CHECK(secret_key.size() == kSecretKeySize);
  if (ciphertext.size() != kCiphertextSize) return fail(ErrorCode::malformed_message);
  const KeyParts key(secret_key.view());
  Wiped<Small> r;
  decrypt(r, key, ciphertext);
  Wiped<SmallBytes> encoded_r;
  encode(r, encoded_r.bytes.data());
  // Until it is known to equal the peer's, a re-encryption tells about the secret key.
  Secret again(kCiphertextSize);
  encrypt(r, encoded_r.bytes, key.public_key, key.public_key_hash, again.data());

  const uint32_t accepted = equal_bit(again.view(), ciphertext);
  const auto rejected_mask = static_cast<uint8_t>(accepted - 1);
  for (size_t i = 0; i < kSmallSize; ++i) {
    uint8_t& byte = encoded_r.bytes[i];
    byte = static_cast<uint8_t>(byte ^ (rejected_mask & (byte ^ key.rho[i])));
  }
  static_assert(static_cast<uint8_t>(HashUse::rejected) == 0 && static_cast<uint8_t>(HashUse::session) == 1);
  Secret shared(kKemSecretSize);
  hash_session(static_cast<uint8_t>(accepted), encoded_r.bytes, ciphertext, shared);
  return shared;
}

KemKeyPair generate() { return generate_from(fill_random); }
Result<Encapsulation> encapsulate(Bytes public_key) { return encapsulate_from(public_key, fill_random); }

}  // namespace sluice::sntrup761

namespace sluice {

const Kem kSntrup761{sntrup761::kPublicKeySize, sntrup761::kCiphertextSize, sntrup761::generate, sntrup761::encapsulate,
                     sntrup761::decapsulate};

}  // namespace sluice
