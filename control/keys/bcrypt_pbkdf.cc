// The derivation: SHA-512 in front of each bcrypt, output bytes dealt out column by column.
#include "control/keys/bcrypt_pbkdf.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/secret.h"
#include "control/keys/blowfish.h"

namespace sluice {
namespace {

constexpr size_t kBlockBytes = 32;
constexpr size_t kMaxSalt = 1 << 16;
constexpr size_t kMaxOutput = kBlockBytes * kBlockBytes;
constexpr int kBcryptCost = 64;
constexpr std::string_view kMagic = "OxychromaticBlowfishSwatDynamite";
static_assert(kMagic.size() == kBlockBytes);

Secret sha512_of(Bytes data) {
  Secret hash(SHA512_DIGEST_LENGTH);
  SHA512(data.data(), data.size(), hash.data());
  return hash;
}

void bcrypt_block(Bytes hashed_passphrase, Bytes hashed_salt, MutableBytes out) {
  Blowfish cipher;
  cipher.expand(hashed_passphrase, hashed_salt);
  for (int i = 0; i < kBcryptCost; ++i) {
    cipher.expand(hashed_salt);
    cipher.expand(hashed_passphrase);
  }
  for (size_t at = 0; at < kBlockBytes; at += 8) {
    uint32_t left = load_be32(bytes_of(kMagic).data() + at);
    uint32_t right = load_be32(bytes_of(kMagic).data() + at + 4);
    for (int i = 0; i < kBcryptCost; ++i) cipher.encrypt(left, right);
    store_le32(out.data() + at, left);
    store_le32(out.data() + at + 4, right);
  }
}

// The exclusive or of all rounds' blocks for one block number.
void derive_block(Bytes hashed_passphrase, Bytes salt, uint32_t number, uint32_t rounds, MutableBytes out) {
  std::vector<uint8_t> numbered_salt(salt.size() + 4);
  std::copy(salt.begin(), salt.end(), numbered_salt.begin());
  store_be32(numbered_salt.data() + salt.size(), number);
  Secret block(kBlockBytes);
  bcrypt_block(hashed_passphrase, sha512_of(numbered_salt).view(), block.view());
  std::copy(block.view().begin(), block.view().end(), out.begin());
  for (uint32_t round = 1; round < rounds; ++round) {
    const Secret next_salt = sha512_of(block.view());
    bcrypt_block(hashed_passphrase, next_salt.view(), block.view());
    for (size_t i = 0; i < kBlockBytes; ++i) out[i] ^= block.data()[i];
  }
}

}  // namespace

bool bcrypt_pbkdf(Bytes passphrase, Bytes salt, uint32_t rounds, MutableBytes out) {
  if (passphrase.empty() || salt.empty() || salt.size() > kMaxSalt || rounds == 0) return false;
  if (out.empty() || out.size() > kMaxOutput) return false;
  const Secret hashed_passphrase = sha512_of(passphrase);
  const size_t blocks = (out.size() + kBlockBytes - 1) / kBlockBytes;
  const size_t bytes_of_block = (out.size() + blocks - 1) / blocks;
  Secret derived(kBlockBytes);
  for (size_t block = 0; block < blocks; ++block) {
    derive_block(hashed_passphrase.view(), salt, static_cast<uint32_t>(block + 1), rounds, derived.view());
    // Byte i of each block lands beside byte i of the others, so that no part of the key is cheaper to derive.
    for (size_t i = 0; i < bytes_of_block && i * blocks + block < out.size(); ++i)
      out[i * blocks + block] = derived.data()[i];
  }
  return true;
}

}  // namespace sluice
