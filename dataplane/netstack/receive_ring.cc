// Writing at any place of the window, joining ranges, growing.
#include "dataplane/netstack/receive_ring.h"

#include <algorithm>

#include "base/check.h"
#include "dataplane/transport.h"

namespace sluice {

size_t ReceiveRing::peek(size_t offset, std::span<MutableBytes> out) {
  const size_t at = begin_ + offset;
  if (at >= end_ || out.empty()) return 0;
  const size_t place = at % memory_.size();
  if (place + (end_ - at) > memory_.size()) mirror_shown_ = end_;
  out[0] = {memory_.data() + place, end_ - at};
  return 1;
}

void ReceiveRing::release(size_t n) {
  SLUICE_CHECK(n <= end_ - begin_);
  begin_ += n;
}

void ReceiveRing::give_memory_back() {
  if (begin_ == end_ && range_count_ == 0) {
    memory_.drop_pages();
    ranges_.reset();
  }
}

size_t ReceiveRing::window() const {
  const size_t held = end_ - begin_ + kReceiveHeadroom;
  return held < memory_.size() ? memory_.size() - held : 0;
}

void ReceiveRing::write(size_t position, Bytes first, std::span<const Bytes> more, size_t skip, size_t size) {
  uint8_t* at = memory_.data() + position % memory_.size();
  const auto copy = [&](Bytes piece) {
    const size_t passed = std::min(skip, piece.size());
    skip -= passed;
    const size_t n = std::min(size, piece.size() - passed);
    if (n > 0) std::memcpy(at, piece.data() + passed, n);
    at += n;
    size -= n;
  };
  copy(first);
  for (const Bytes piece : more) copy(piece);
}

ReceiveRing::Taken ReceiveRing::take(size_t ahead, Bytes first, std::span<const Bytes> more, size_t skip, size_t size) {
  Taken out;
  SLUICE_CHECK(ahead + size <= window());
  const size_t begin = end_ + ahead;
  if (ahead > 0) {
    out.kept = note(begin, begin + size, out.duplicate);
    if (out.kept && !out.duplicate) write(begin, first, more, skip, size);
    return out;
  }
  write(begin, first, more, skip, size);
  const size_t before = end_;
  end_ += size;
  size_t gone = 0;
  while (gone < range_count_ && ranges()[gone].begin <= end_) end_ = std::max(end_, ranges()[gone++].end);
  range_first_ += gone;
  range_count_ -= gone;
  if (range_count_ == 0) range_first_ = 0;
  out.in_order = end_ - before;
  return out;
}

bool ReceiveRing::note(size_t begin, size_t end, bool& duplicate) {
  if (!ranges_) ranges_ = std::make_unique_for_overwrite<Range[]>(kMostRanges);
  if (range_first_ > 0 && range_first_ + range_count_ == kMostRanges) {
    std::move(ranges(), ranges() + range_count_, ranges_.get());
    range_first_ = 0;
  }
  Range* all = ranges();
  // Most come behind all that is there.
  size_t i = range_count_;
  while (i > 0 && all[i - 1].end >= begin) --i;
  size_t last = i;
  const size_t wanted_begin = begin;
  const size_t wanted_end = end;
  while (last < range_count_ && all[last].begin <= end) {
    if (all[last].begin <= wanted_begin && all[last].end >= wanted_end) duplicate = true;
    begin = std::min(begin, all[last].begin);
    end = std::max(end, all[last].end);
    ++last;
  }
  if (last == i) {
    if (range_count_ >= most_ranges()) return false;
    std::move_backward(all + i, all + range_count_, all + range_count_ + 1);
    ++range_count_;
  } else if (last > i + 1) {
    std::move(all + last, all + range_count_, all + i + 1);
    range_count_ -= last - i - 1;
  }
  all[i] = {begin, end};
  // The range that this belongs to comes first in what we say next.
  size_t at = 0;
  while (at + 1 < recent_.size() && !(recent_[at] >= begin && recent_[at] < end)) ++at;
  for (; at > 0; --at) recent_[at] = recent_[at - 1];
  recent_[0] = wanted_begin;
  return true;
}

size_t ReceiveRing::blocks(uint32_t next, std::span<SackBlock> out) const {
  if (range_count_ == 0) return 0;
  size_t n = 0;
  for (const size_t position : recent_) {
    if (n == out.size()) break;
    if (position < end_) continue;
    const Range* all = ranges();
    const Range* found = std::upper_bound(all, all + range_count_, position,
                                          [](size_t wanted, const Range& range) { return wanted < range.end; });
    if (found == all + range_count_ || found->begin > position) continue;
    const SackBlock block{next + static_cast<uint32_t>(found->begin - end_),
                          next + static_cast<uint32_t>(found->end - end_)};
    if (std::find(out.begin(), out.begin() + static_cast<ptrdiff_t>(n), block) ==
        out.begin() + static_cast<ptrdiff_t>(n)) {
      out[n++] = block;
    }
  }
  return n;
}

// Bytes stay where they are when all of them, and the room before them, lie in one lap of the old size that is one of
// the new size too, and none was shown behind the end of the lap before: whoever works on it still has that address.
bool ReceiveRing::grow(size_t size) {
  const size_t old = memory_.size();
  const size_t first = begin_ < kReceiveHeadroom ? 0 : begin_ - kReceiveHeadroom;
  const size_t last = range_count_ == 0 ? end_ : ranges()[range_count_ - 1].end;
  const bool nothing = begin_ == end_ && range_count_ == 0;
  const bool stays = first / old == last / old && first % size == first % old && begin_ >= kReceiveHeadroom;
  if (!nothing && (!stays || begin_ < mirror_shown_)) return false;
  if (memory_.grow(size)) return true;
  // Without memory there is nothing in it.
  if (!ok()) begin_ = end_, range_count_ = 0;
  return false;
}

}  // namespace sluice
