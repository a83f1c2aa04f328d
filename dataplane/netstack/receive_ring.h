// What has been received: bytes in order, waiting to be read, and bytes beyond a gap, already at their places.
//
// Positions grow without wrapping; modulo the size is the place. Invariant: begin <= end < first range's begin, ranges
// in order with gaps between them, the last one's end within the window.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "dataplane/netstack/growing_mirror.h"
#include "dataplane/netstack/tcp_segment.h"

namespace sluice {

class ReceiveRing {
 public:
  // Gaps at a time: a slow start that overshoots loses every other segment of a window. What would need more is thrown
  // away, so that a hostile peer's gaps have their bound. Each costs what keeping all of them in order costs: who has
  // not been read from yet, as before a login, gets few, and one more for each kRangeWorth bytes that were read.
  static constexpr size_t kMostRanges = 4096;
  static constexpr size_t kFirstRanges = 64;
  static constexpr size_t kRangeWorth = 1024;

  ReceiveRing(size_t size, size_t most) : memory_(size, most) {}

  bool ok() const { return memory_.size() > 0; }
  size_t capacity() const { return memory_.size(); }
  size_t most() const { return memory_.most(); }
  size_t available() const { return end_ - begin_; }
  // What it shows stays at that address until it is released.
  size_t peek(size_t offset, std::span<MutableBytes> out);
  void release(size_t n);
  void give_memory_back();

  // How far beyond the bytes in order the peer may go.
  size_t window() const;
  bool has_gaps() const { return range_count_ > 0; }

  struct Taken {
    size_t in_order = 0;     // that much further is the stream
    bool kept = true;        // false: no room for another gap
    bool duplicate = false;  // beyond a gap, and there already
  };
  // Bytes that begin `ahead` of the end of those in order and lie within the window.
  Taken take(size_t ahead, Bytes first, std::span<const Bytes> more, size_t skip, size_t size);
  // The newest ranges first, for SACK; `next` is the sequence number of the first missing byte.
  size_t blocks(uint32_t next, std::span<SackBlock> out) const;

  // To a larger size, where what is held lets the memory be doubled under it. False: not now.
  bool grow(size_t size);

 private:
  struct Range {
    size_t begin;
    size_t end;
  };
  bool note(size_t begin, size_t end, bool& duplicate);
  size_t most_ranges() const { return std::min(kFirstRanges + begin_ / kRangeWorth, kMostRanges); }
  void write(size_t position, Bytes first, std::span<const Bytes> more, size_t skip, size_t size);

  GrowingMirror memory_;
  size_t begin_ = 0;
  size_t end_ = 0;
  // Bytes before it may have been shown by their address in the mirror, which moves when the memory grows.
  size_t mirror_shown_ = 0;
  Range* ranges() const { return ranges_.get() + range_first_; }

  size_t range_first_ = 0;
  size_t range_count_ = 0;
  std::unique_ptr<Range[]> ranges_;
  std::array<size_t, kMostSackBlocks> recent_{};
};

}  // namespace sluice
