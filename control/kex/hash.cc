// The lookup table of algorithms and the thin calls into libcrypto.
#include "control/kex/hash.h"

#include <openssl/evp.h>

#include "base/check.h"

namespace sluice {
namespace {

constexpr size_t kHashes = static_cast<size_t>(HashId::count_);

struct HashRow {
  const char* name;
  size_t size;
  bool extendable;
};

constexpr std::array<HashRow, kHashes> kRows{{
    {"SHA1", 20, false},
    {"SHA2-256", 32, false},
    {"SHA2-384", 48, false},
    {"SHA2-512", 64, false},
    {"SHA3-256", 32, false},
    {"SHA3-512", 64, false},
    {"SHAKE-128", 0, true},
    {"SHAKE-256", 0, true},
}};

const HashRow& row_of(HashId id) { return kRows[static_cast<size_t>(id)]; }

const EVP_MD* algorithm(HashId id) {
  static const std::array<EVP_MD*, kHashes> fetched = [] {
    std::array<EVP_MD*, kHashes> all{};
    for (size_t i = 0; i < kHashes; ++i) all[i] = EVP_MD_fetch(nullptr, kRows[i].name, nullptr);
    return all;
  }();
  const EVP_MD* found = fetched[static_cast<size_t>(id)];
  SLUICE_CHECK(found != nullptr);
  return found;
}

}  // namespace

size_t hash_size(HashId id) { return row_of(id).size; }

void Hasher::Free::operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }

Hasher::Hasher(HashId id) : context_(EVP_MD_CTX_new()), id_(id) {
  SLUICE_CHECK(context_ != nullptr && EVP_DigestInit_ex(context_.get(), algorithm(id), nullptr) == 1);
}

Hasher& Hasher::update(Bytes input) {
  SLUICE_CHECK(EVP_DigestUpdate(context_.get(), input.data(), input.size()) == 1);
  return *this;
}

void Hasher::finish(MutableBytes out) {
  if (row_of(id_).extendable) {
    SLUICE_CHECK(EVP_DigestFinalXOF(context_.get(), out.data(), out.size()) == 1);
  } else {
    SLUICE_CHECK(out.size() == row_of(id_).size);
    SLUICE_CHECK(EVP_DigestFinal_ex(context_.get(), out.data(), nullptr) == 1);
  }
  SLUICE_CHECK(EVP_DigestInit_ex(context_.get(), nullptr, nullptr) == 1);
}

void hash_into(HashId id, std::initializer_list<Bytes> parts, MutableBytes out) {
  Hasher hasher(id);
  for (Bytes part : parts) hasher.update(part);
  hasher.finish(out);
}

}  // namespace sluice
