// pwritev until all is written or refused.
#include "services/transfer/write_run.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace sluice {
namespace {

constexpr size_t kMaxPieces = 128;

size_t size_of(std::span<const iovec> pieces) {
  size_t total = 0;
  for (const iovec& piece : pieces) total += piece.iov_len;
  return total;
}

}  // namespace

size_t pieces_from(std::span<const iovec> pieces, size_t skip, size_t most, std::span<iovec> out) {
  size_t used = 0;
  for (const iovec& piece : pieces) {
    if (used == out.size() || most == 0) break;
    if (skip >= piece.iov_len) {
      skip -= piece.iov_len;
      continue;
    }
    const size_t n = std::min(piece.iov_len - skip, most);
    out[used++] = {static_cast<uint8_t*>(piece.iov_base) + skip, n};
    most -= n;
    skip = 0;
  }
  return used;
}

void write_run(WriteRun& run) {
  const size_t total = size_of(run.pieces);
  size_t at = 0;
  size_t mark = 0;  // the first that is not done with
  int error = std::exchange(run.carried, 0);
  for (;;) {
    if (error != 0) {
      if (mark == run.marks.size()) {
        run.carried = error;
        return;
      }
      // The request's other bytes are passed over.
      run.marks[mark].error = error;
      at = run.marks[mark++].end;
      error = 0;
    }
    while (mark < run.marks.size() && run.marks[mark].end <= at) ++mark;
    if (at >= total) return;
    std::array<iovec, kMaxPieces> rest;
    const int count = static_cast<int>(pieces_from(run.pieces, at, SIZE_MAX, rest));
    const ssize_t n = run.seekable ? ::pwritev(run.descriptor, rest.data(), count, static_cast<off_t>(run.offset + at))
                                   : ::writev(run.descriptor, rest.data(), count);
    if (n > 0) {
      at += static_cast<size_t>(n);
      run.written += static_cast<size_t>(n);
    } else if (n == 0) {
      error = EIO;
    } else if (errno != EINTR) {
      error = errno;
    }
  }
}

}  // namespace sluice
