// Reading in large pieces.
#include "apps/sluice/bench/file_sums.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "base/random.h"
#include "base/unique_fd.h"
#include "control/kex/hash.h"

namespace sluice::bench {
namespace {

constexpr size_t kPiece = size_t{1} << 20;

tl::unexpected<std::string> trouble(const std::string& path) { return fail(path + ": " + std::strerror(errno)); }

void add_text(Hasher& hasher, const std::string& text) {
  hasher.update(Bytes(reinterpret_cast<const uint8_t*>(text.c_str()), text.size() + 1));
}

ResultOrText<void> add_file(Hasher& hasher, const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return trouble(path);
  std::vector<uint8_t> piece(kPiece);
  for (ssize_t n; (n = ::read(file.get(), piece.data(), piece.size())) != 0;) {
    if (n < 0) return trouble(path);
    hasher.update(Bytes(piece).first(static_cast<size_t>(n)));
  }
  return {};
}

ResultOrText<void> add_folder(Hasher& hasher, const std::filesystem::path& folder) {
  std::error_code error;
  std::vector<std::filesystem::path> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) names.push_back(entry.path());
  if (error) return fail(folder.string() + ": " + error.message());
  std::sort(names.begin(), names.end());
  for (const auto& name : names) {
    add_text(hasher, name.filename());
    auto added = std::filesystem::is_directory(name) ? add_folder(hasher, name) : add_file(hasher, name);
    if (!added) return added;
  }
  return {};
}

ResultOrText<void> write_all(int file, Bytes bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file, bytes.data(), bytes.size());
    if (n < 0) return trouble(path);
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return {};
}

}  // namespace

ResultOrText<std::string> sum_of(const std::string& path) {
  Hasher hasher(HashId::sha256);
  auto added = std::filesystem::is_directory(path) ? add_folder(hasher, path) : add_file(hasher, path);
  if (!added) return fail(added.error());
  std::array<uint8_t, 32> sum;
  hasher.finish(sum);
  std::string text;
  for (const uint8_t byte : sum) text.append({"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]});
  return text;
}

ResultOrText<void> make_file(const std::string& path, uint64_t bytes) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file) return trouble(path);
  uint64_t seed;
  fill_random({reinterpret_cast<uint8_t*>(&seed), sizeof seed});
  CheapRandom random(seed);
  std::vector<uint8_t> piece(std::min<uint64_t>(bytes, kPiece));
  while (bytes > 0) {
    const auto part = MutableBytes(piece).first(std::min<uint64_t>(bytes, piece.size()));
    random.fill(part);
    if (auto written = write_all(file.get(), part, path); !written) return written;
    bytes -= part.size();
  }
  return {};
}

ResultOrText<void> make_tree(const std::string& path, uint64_t files, uint64_t bytes) {
  if (::mkdir(path.c_str(), 0755) != 0) return trouble(path);
  for (uint64_t i = 0; i < files; ++i) {
    if (auto made = make_file(path + "/file" + std::to_string(i), bytes); !made) return made;
  }
  return {};
}

}  // namespace sluice::bench
