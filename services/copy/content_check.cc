// check-file where it is offered; reading back where it is not.
#include "services/copy/content_check.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

namespace sluice {
namespace {

constexpr std::string_view kAlgorithm = "sha256";
// What is read at once, here and back from a server.
constexpr uint64_t kPiece = uint64_t{4} << 20;
// check-file's blocks: the answer is one packet.
constexpr uint64_t kLeastBlock = uint64_t{1} << 20;
constexpr uint64_t kMostBlocks = 2048;

SftpFault no_digest() { return sftp_fault(SftpFault::Kind::local, "No such hash here").value(); }

// Feeds [offset, offset + length) of a local file.
SftpResult<void> feed(FileDigest& digest, int file, uint64_t offset, uint64_t length) {
  std::vector<uint8_t> buffer(std::min<uint64_t>(length, 1 << 20));
  while (length > 0) {
    const ssize_t n =
        ::pread(file, buffer.data(), std::min<uint64_t>(length, buffer.size()), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return local_fault("read", errno);
    if (n == 0) return sftp_fault(SftpFault::Kind::changed, "The file became shorter");
    digest.update(Bytes(buffer).first(static_cast<size_t>(n)));
    offset += static_cast<uint64_t>(n);
    length -= static_cast<uint64_t>(n);
  }
  return {};
}

// Through memory, a piece at a time.
SftpResult<void> feed_back(FileDigest& digest, const CheckedFile& file, uint64_t size) {
  const auto client = file.side->client();
  auto handle = file.side->open(*client, file.path, kSftpRead);
  if (!handle) return tl::unexpected<SftpFault>(std::move(handle.error()));
  const auto memory = std::make_shared<UniqueFd>(::memfd_create("sluice", MFD_CLOEXEC));
  SftpResult<void> result;
  for (uint64_t at = 0; at < size && result; at += kPiece) {
    TransferOrder order;
    order.direction = TransferOrder::Direction::get;
    order.file = memory;
    order.handle = *handle;
    order.remote_offset = at;
    order.length = std::min(kPiece, size - at);
    const uint64_t length = order.length;
    TransferEnd end = client->move(std::move(order));
    if (end.fault) {
      result = about(file.path, std::move(*end.fault));
    } else {
      result = feed(digest, memory->get(), 0, length);
    }
  }
  (void)client->ask(sftp_call::close(*handle));
  return result;
}

// The server's hash of the first `size` bytes, block by block.
SftpResult<SftpHashes> ask_hashes(const CheckedFile& file, std::string_view algorithms, uint64_t size, uint32_t block) {
  const auto client = file.side->client();
  auto handle = file.side->open(*client, file.path, kSftpRead);
  if (!handle) return tl::unexpected<SftpFault>(std::move(handle.error()));
  auto answer = client->ask(sftp_call::check_handle(*handle, algorithms, 0, size, block));
  (void)client->ask(sftp_call::close(*handle));
  if (!answer) return tl::unexpected<SftpFault>(std::move(answer.error()));
  return sftp_answer::hashes(*answer);
}

bool offers_hashes(const CheckedFile& file) {
  const auto& facts = file.side->facts();
  return facts.has("check-file") || facts.has("check-file-handle");
}

SftpResult<std::vector<uint8_t>> hash_of(const CheckedFile& file, const std::string& algorithm, uint64_t size,
                                         const CopyOptions& options) {
  const auto digest = options.digests ? options.digests->make(algorithm) : nullptr;
  if (!digest) return tl::unexpected<SftpFault>(no_digest());
  if (!file.local && offers_hashes(file)) {
    auto told = ask_hashes(file, algorithm, size, 0);
    if (told && told->algorithm == algorithm) return std::move(told->hashes);
    if (!told && told.error().kind != SftpFault::Kind::refused)
      return tl::unexpected<SftpFault>(std::move(told.error()));
  }
  auto fed = file.local ? feed(*digest, file.local->get(), 0, size) : feed_back(*digest, file, size);
  if (!fed) return tl::unexpected<SftpFault>(std::move(fed.error()));
  return digest->finish();
}

// Hashes of the blocks of [0, size), as the other end made them.
SftpResult<std::vector<uint8_t>> blocks_of(const CheckedFile& file, const std::string& algorithm, uint64_t size,
                                           uint32_t block, const CopyOptions& options) {
  if (!file.local) {
    auto told = ask_hashes(file, algorithm, size, block);
    if (!told) return tl::unexpected<SftpFault>(std::move(told.error()));
    return std::move(told->hashes);
  }
  const auto digest = options.digests->make(algorithm);
  std::vector<uint8_t> all;
  for (uint64_t at = 0; at < size; at += block) {
    auto fed = feed(*digest, file.local->get(), at, std::min<uint64_t>(block, size - at));
    if (!fed) return tl::unexpected<SftpFault>(std::move(fed.error()));
    const auto one = digest->finish();
    all.insert(all.end(), one.begin(), one.end());
  }
  return all;
}

}  // namespace

SftpResult<void> compare_content(const CheckedFile& one, const CheckedFile& other, uint64_t size,
                                 const CopyOptions& options) {
  // 0 would be "to the end" to a server.
  if (size == 0) return {};
  const std::string algorithm(kAlgorithm);
  const auto first = hash_of(one, algorithm, size, options);
  if (!first) return tl::unexpected<SftpFault>(first.error());
  const auto second = hash_of(other, algorithm, size, options);
  if (!second) return tl::unexpected<SftpFault>(second.error());
  if (*first != *second)
    return sftp_fault(SftpFault::Kind::changed, "The copy is not the same as its source: nothing was put in place");
  return {};
}

uint64_t equal_prefix(const CheckedFile& one, const CheckedFile& other, uint64_t most, const CopyOptions& options) {
  for (const CheckedFile* file : {&one, &other}) {
    if (!file->local && !offers_hashes(*file)) return 0;
  }
  if (!options.digests || most == 0) return 0;
  const std::string algorithm(kAlgorithm);
  const auto digest = options.digests->make(algorithm);
  if (!digest) return 0;
  const size_t width = digest->finish().size();
  const uint64_t wanted = std::max(kLeastBlock, (most + kMostBlocks - 1) / kMostBlocks);
  const auto block = static_cast<uint32_t>(std::min<uint64_t>(wanted, uint64_t{1} << 31));
  const auto first = blocks_of(one, algorithm, most, block, options);
  const auto second = blocks_of(other, algorithm, most, block, options);
  if (!first || !second || first->size() != second->size()) return 0;
  uint64_t equal = 0;
  for (size_t at = 0; at + width <= first->size(); at += width) {
    if (!std::equal(first->begin() + static_cast<std::ptrdiff_t>(at),
                    first->begin() + static_cast<std::ptrdiff_t>(at + width),
                    second->begin() + static_cast<std::ptrdiff_t>(at)))
      break;
    equal = std::min(most, equal + block);
  }
  return equal;
}

}  // namespace sluice
