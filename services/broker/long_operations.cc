// Pieces of a few megabytes, so that a cancellation is seen soon.
#include "services/broker/long_operations.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace sluice {
namespace {

constexpr size_t kCopyPiece = 8 << 20;
constexpr size_t kBuffer = 128 << 10;

struct Piece {
  int from, to;
  off_t from_at, to_at;
  size_t length;
};

// For pairs of files between which the kernel does not copy. 0: the source ended.
ssize_t copy_by_hand(const Piece& piece, std::vector<uint8_t>& buffer) {
  buffer.resize(kBuffer);
  const ssize_t got = ::pread(piece.from, buffer.data(), std::min(piece.length, kBuffer), piece.from_at);
  for (ssize_t written = 0; written < got;) {
    const ssize_t n = ::pwrite(piece.to, buffer.data() + written, static_cast<size_t>(got - written),
                               piece.to_at + static_cast<off_t>(written));
    if (n < 0) return -1;
    written += n;
  }
  return got;
}

bool overlap(uint64_t a, uint64_t b, uint64_t length) { return a < b ? b - a < length : a - b < length; }

// The range's length within the file; nothing when it is none or the file is not a regular one.
Outcome<uint64_t> length_within(int descriptor, uint64_t offset, uint64_t length) {
  struct stat facts;
  if (::fstat(descriptor, &facts) != 0) return system_failure();
  if (!S_ISREG(facts.st_mode)) return tl::unexpected(failure_of(EINVAL));
  const uint64_t size = static_cast<uint64_t>(facts.st_size);
  if (offset >= size) return 0;
  return length == 0 ? size - offset : std::min(length, size - offset);
}

Outcome<bool> same_file(int a, int b) {
  struct stat first, second;
  if (::fstat(a, &first) != 0 || ::fstat(b, &second) != 0) return system_failure();
  return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

std::unique_ptr<FileDigest> first_known(const DigestMaker& digests, std::string_view list, std::string& name) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    name = list.substr(0, comma);
    if (auto made = digests.make(name)) return made;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return nullptr;
}

Failure given_up() { return failed(BrokerFault::gone, "Given up"); }

}  // namespace

Outcome<void> copy_range(int from, int to, const CopyData& range, const std::atomic<bool>& cancelled) {
  const auto length = length_within(from, range.from_offset, range.length);
  if (!length) return tl::unexpected(length.error());
  const auto same = same_file(from, to);
  if (!same) return tl::unexpected(same.error());
  // Whoever opens a file twice to copy it onto itself has emptied it by then, and must not be told that all went well.
  if (*same && range.from_offset == range.to_offset) return tl::unexpected(failure_of(EINVAL));
  if (*length == 0) return {};
  const uint64_t limit = static_cast<uint64_t>(INT64_MAX) - *length;
  if (range.from_offset > limit || range.to_offset > limit) return tl::unexpected(failure_of(EFBIG));
  if (*same && overlap(range.from_offset, range.to_offset, *length)) return tl::unexpected(failure_of(EINVAL));
  std::vector<uint8_t> buffer;
  bool by_kernel = true;
  for (uint64_t done = 0; done < *length;) {
    if (cancelled.load(std::memory_order_relaxed)) return tl::unexpected(given_up());
    Piece piece{from, to, static_cast<off_t>(range.from_offset + done), static_cast<off_t>(range.to_offset + done),
                static_cast<size_t>(std::min<uint64_t>(*length - done, kCopyPiece))};
    ssize_t n = -1;
    if (by_kernel) {
      off_t from_at = piece.from_at, to_at = piece.to_at;
      n = ::copy_file_range(from, &from_at, to, &to_at, piece.length, 0);
      by_kernel = n > 0;
    }
    // Across file systems, on pseudo files and on descriptors that append.
    if (n <= 0) n = copy_by_hand(piece, buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_failure();
    if (n == 0) break;
    done += static_cast<uint64_t>(n);
  }
  return {};
}

Outcome<Hashes> hash_range(int descriptor, const CheckFile& range, const DigestMaker& digests,
                           const std::atomic<bool>& cancelled) {
  Hashes out;
  const auto digest = first_known(digests, range.algorithms, out.algorithm);
  if (!digest) return tl::unexpected(failed(BrokerFault::unsupported, "None of these hashes is known"));
  if (range.block != 0 && range.block < kMinHashBlock)
    return tl::unexpected(failed(BrokerFault::invalid, "The block is too small"));
  const auto length = length_within(descriptor, range.offset, range.length);
  if (!length) return tl::unexpected(length.error());
  const uint64_t block = range.block != 0 ? range.block : std::max<uint64_t>(*length, 1);
  // At least 16 bytes each; refused before hours of reading, not after.
  if (*length / block > kMaxBrokerBody / 16) return tl::unexpected(failed(BrokerFault::invalid, "Too many blocks"));
  std::vector<uint8_t> buffer(kBuffer);
  uint64_t in_block = 0;
  const auto close_block = [&] {
    const auto hash = digest->finish();
    out.hashes.insert(out.hashes.end(), hash.begin(), hash.end());
    in_block = 0;
  };
  for (uint64_t done = 0; done < *length;) {
    if (cancelled.load(std::memory_order_relaxed)) return tl::unexpected(given_up());
    const auto wanted = static_cast<size_t>(std::min<uint64_t>({*length - done, block - in_block, kBuffer}));
    const ssize_t n = ::pread(descriptor, buffer.data(), wanted, static_cast<off_t>(range.offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_failure();
    if (n == 0) break;
    digest->update(Bytes(buffer).first(static_cast<size_t>(n)));
    done += static_cast<uint64_t>(n);
    in_block += static_cast<uint64_t>(n);
    if (in_block == block) close_block();
    if (out.hashes.size() > kMaxBrokerBody / 2) return tl::unexpected(failed(BrokerFault::invalid, "Too many blocks"));
  }
  if (in_block > 0 || out.hashes.empty()) close_block();
  return out;
}

}  // namespace sluice
