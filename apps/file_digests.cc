// Hashers behind the services' face.
#include "apps/file_digests.h"

#include <array>

#include "control/kex/hash.h"

namespace sluice {
namespace {

struct NamedHash {
  std::string_view name;
  HashId id;
};
constexpr std::array<NamedHash, 4> kHashes{
    {{"sha256", HashId::sha256}, {"sha384", HashId::sha384}, {"sha512", HashId::sha512}, {"sha1", HashId::sha1}}};

class FileHash final : public FileDigest {
 public:
  explicit FileHash(HashId id) : hasher_(id), size_(hash_size(id)) {}
  void update(Bytes input) override { hasher_.update(input); }
  std::vector<uint8_t> finish() override {
    std::vector<uint8_t> hash(size_);
    hasher_.finish(hash);
    return hash;
  }

 private:
  Hasher hasher_;
  size_t size_;
};

class Digests final : public DigestMaker {
 public:
  std::unique_ptr<FileDigest> make(std::string_view algorithm) const override {
    for (const NamedHash& hash : kHashes) {
      if (hash.name == algorithm) return std::make_unique<FileHash>(hash.id);
    }
    return nullptr;
  }
};

}  // namespace

const DigestMaker& file_digests() {
  static const Digests digests;
  return digests;
}

}  // namespace sluice
