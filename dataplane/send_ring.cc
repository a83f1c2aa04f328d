// Positions, pieces and joins of the outgoing ring.
#include "dataplane/send_ring.h"

#include <algorithm>

#include "base/check.h"

namespace sluice {

size_t SendRing::skip() const {
  if (lap_ >= memory_.size()) return 0;
  const size_t at = reserved_ % memory_.size();
  return at < lap_ ? 0 : memory_.size() - at;
}

size_t SendRing::room() const {
  const size_t left = memory_.size() - (reserved_ - freed_);
  const size_t skipped = skip();
  return left > skipped ? left - skipped : 0;
}

uint8_t* SendRing::reserve(size_t n) {
  // Empty: what is written next goes where something was a moment ago, into pages that are there and caches that know
  // them.
  if (reserved_ == freed_ && first_piece_ == end_piece_ && !skip_open_) reserved_ = committed_ = freed_ = 0;
  if (n > room()) return nullptr;
  if (const size_t skipped = skip(); skipped > 0) {
    skip_ = skipped;
    skipped_at_ = reserved_;
    skip_open_ = true;
    reserved_ += skipped;
  }
  uint8_t* place = memory_.data() + reserved_ % memory_.size();
  reserved_ += n;
  most_reserved_ = std::max(most_reserved_, reserved_);
  return place;
}

void SendRing::give_memory_back() {
  if (reserved_ != freed_ || pending_bytes_ > 0) return;
  memory_.drop_pages();
  pieces_.reset();
}

bool SendRing::commit(size_t reserved, const uint8_t* begin, size_t n) {
  const bool nothing_before = first_piece_ == end_piece_;
  if (skip_open_ && committed_ == skipped_at_) {
    skip_open_ = false;
    committed_ += skip_;
    (nothing_before ? freed_ : piece(end_piece_ - 1).frees_to) = committed_;
  }
  SLUICE_CHECK(committed_ + reserved <= reserved_);
  const uint8_t* place = memory_.data() + committed_ % memory_.size();
  SLUICE_CHECK(n == 0 || (begin >= place && begin + n <= place + reserved));
  if (n == 0) {
    committed_ += reserved;
    if (nothing_before) {
      freed_ = committed_;
    } else {
      piece(end_piece_ - 1).frees_to = committed_;
    }
    return true;
  }
  if (!nothing_before) {
    Piece& last = piece(end_piece_ - 1);
    if (last.begin + last.size == begin && last.frees_to == committed_) {
      committed_ += reserved;
      last.size += n;
      last.frees_to = committed_;
      pending_bytes_ += n;
      stream_ += n;
      return true;
    }
  }
  if (end_piece_ - first_piece_ == most_pieces_) return false;
  if (!pieces_) pieces_ = std::make_unique_for_overwrite<Piece[]>(most_pieces_);
  piece(end_piece_++) = {begin, n, committed_ + static_cast<size_t>(begin - place), committed_ + reserved, stream_};
  stream_ += n;
  committed_ += reserved;
  pending_bytes_ += n;
  return true;
}

size_t SendRing::pending(std::span<Bytes> out) const {
  size_t n = 0;
  for (size_t i = first_piece_; i != end_piece_ && n < out.size(); ++i) out[n++] = {piece(i).begin, piece(i).size};
  return n;
}

size_t SendRing::view(size_t offset, size_t n, std::span<Bytes> out, size_t& got) const {
  got = 0;
  if (offset >= pending_bytes_) return 0;
  const size_t at = stream_ - pending_bytes_ + offset;
  size_t low = first_piece_;
  size_t high = end_piece_;
  // The last piece that begins at or before it.
  while (high - low > 1) {
    const size_t middle = low + (high - low) / 2;
    (piece(middle).stream <= at ? low : high) = middle;
  }
  size_t count = 0;
  size_t skip = at - piece(low).stream;
  for (size_t i = low; i != end_piece_ && count < out.size() && got < n; ++i, skip = 0) {
    const size_t size = std::min(piece(i).size - skip, n - got);
    out[count++] = {piece(i).begin + skip, size};
    got += size;
  }
  return count;
}

void SendRing::sent(size_t n) {
  SLUICE_CHECK(n <= pending_bytes_);
  pending_bytes_ -= n;
  while (n > 0) {
    Piece& first = piece(first_piece_);
    if (n < first.size) {
      first.begin += n;
      first.size -= n;
      first.position += n;
      first.stream += n;
      // The part that is gone is free at once: a joined piece can span most of the ring.
      freed_ = first.position;
      return;
    }
    n -= first.size;
    freed_ = first.frees_to;
    ++first_piece_;
  }
}

}  // namespace sluice
