// Gathering writes.
#include "services/forward/backlog.h"

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace sluice {
namespace {

// Smaller ones would make a window full of one-byte messages cost many times its size.
constexpr size_t kChunk = 32 * 1024;
constexpr size_t kMostPieces = 32;

using Vectors = std::array<iovec, kMostPieces>;

// 0 with `state` set where nothing could be written.
size_t write_once(int descriptor, const Vectors& vectors, size_t count, WriteState& state) {
  for (;;) {
    const ssize_t n = ::writev(descriptor, vectors.data(), static_cast<int>(count));
    if (n > 0) return static_cast<size_t>(n);
    if (n < 0 && errno == EINTR) continue;
    state = n < 0 && errno != EAGAIN ? WriteState::broken : WriteState::blocked;
    return 0;
  }
}

}  // namespace

void Backlog::append(Bytes bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    if (chunks_.empty() || chunks_.back().size() == chunks_.back().capacity()) {
      chunks_.emplace_back().reserve(std::max(kChunk, bytes.size()));
    }
    std::vector<uint8_t>& last = chunks_.back();
    const Bytes part = bytes.first(std::min(bytes.size(), last.capacity() - last.size()));
    last.insert(last.end(), part.begin(), part.end());
    bytes = bytes.subspan(part.size());
  }
}

void Backlog::clear() {
  chunks_.clear();
  first_ = size_ = 0;
}

WriteState Backlog::write_to(int descriptor, size_t& n) {
  n = 0;
  WriteState state = WriteState::all;
  while (!chunks_.empty() && state == WriteState::all) {
    Vectors vectors;
    size_t count = 0;
    for (auto& chunk : chunks_) {
      if (count == vectors.size()) break;
      const size_t skip = count == 0 ? first_ : 0;
      vectors[count++] = {chunk.data() + skip, chunk.size() - skip};
    }
    size_t written = write_once(descriptor, vectors, count, state);
    n += written;
    size_ -= written;
    for (first_ += written; !chunks_.empty() && first_ >= chunks_.front().size();) {
      first_ -= chunks_.front().size();
      chunks_.pop_front();
    }
  }
  return state;
}

WriteState write_pieces(int descriptor, std::span<const MutableBytes> pieces, size_t& n) {
  n = 0;
  WriteState state = WriteState::all;
  size_t skip = 0;  // of the first piece
  while (state == WriteState::all) {
    Vectors vectors;
    size_t count = 0;
    for (const MutableBytes piece : pieces.first(std::min(pieces.size(), vectors.size()))) {
      const size_t past = count == 0 ? skip : 0;
      vectors[count++] = {piece.data() + past, piece.size() - past};
    }
    while (count > 0 && vectors[count - 1].iov_len == 0) --count;
    if (count == 0) break;
    size_t written = write_once(descriptor, vectors, count, state);
    n += written;
    for (skip += written; !pieces.empty() && skip >= pieces.front().size();) {
      skip -= pieces.front().size();
      pieces = pieces.subspan(1);
    }
  }
  return state;
}

}  // namespace sluice
