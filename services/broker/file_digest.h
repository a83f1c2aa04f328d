// FileDigest and its maker: hashes that the application brings along, since services know no crypto library.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace sluice {

class FileDigest {
 public:
  virtual ~FileDigest() = default;
  virtual void update(Bytes input) = 0;
  // The hash; the digest is then ready for the next input.
  virtual std::vector<uint8_t> finish() = 0;
};

class DigestMaker {
 public:
  virtual ~DigestMaker() = default;
  // Null: unknown. Called on any thread.
  virtual std::unique_ptr<FileDigest> make(std::string_view algorithm) const = 0;
};

}  // namespace sluice
