// Moving bytes from one end's ring to the other's.
#include "drivers/memory_transport.h"

#include <algorithm>

#include "base/check.h"

namespace sluice {

size_t MemoryTransport::peek(size_t offset, std::span<MutableBytes> out) {
  size_t n = 0;
  size_t at = begin_ + offset;
  while (at < end_ && n < out.size()) {
    // Chopped at fixed places of the stream, so that asking twice gives the same pieces.
    const size_t most = chop_ == 0 ? end_ - at : chop_ - at % chop_;
    const size_t size = std::min(most, end_ - at);
    out[n++] = {received_.data() + at % received_.size(), size};
    at += size;
  }
  return n;
}

void MemoryTransport::release(size_t n) {
  SLUICE_CHECK(n <= end_ - begin_);
  begin_ += n;
}

size_t MemoryTransport::receive(Bytes bytes) {
  const size_t n = std::min(bytes.size(), received_.size() - kReceiveHeadroom - (end_ - begin_));
  if (n > 0) std::memcpy(received_.data() + end_ % received_.size(), bytes.data(), n);
  end_ += n;
  return n;
}

void MemoryTransport::flush() {
  if (peer_ == nullptr) return;
  std::array<Bytes, 1> piece;
  while (send_ring().pending(piece) == 1) {
    const size_t n = peer_->receive(piece[0]);
    send_ring().sent(n);
    if (n < piece[0].size()) return;
  }
}

}  // namespace sluice
