// RangeSet: which bytes of a file are done: ranges in order that neither touch nor overlap.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>

namespace sluice {

class RangeSet {
 public:
  void add(uint64_t begin, uint64_t end) {
    if (begin >= end) return;
    auto after = ranges_.upper_bound(begin);
    if (after != ranges_.begin() && std::prev(after)->second >= begin) {
      --after;
      begin = after->first;
    }
    while (after != ranges_.end() && after->first <= end) {
      end = std::max(end, after->second);
      after = ranges_.erase(after);
    }
    ranges_[begin] = end;
  }
  // What of [0, size) is not in it.
  RangeSet missing(uint64_t size) const {
    RangeSet out;
    uint64_t at = 0;
    for (const auto& [begin, end] : ranges_) {
      out.add(at, std::min(begin, size));
      at = std::max(at, end);
    }
    out.add(at, size);
    return out;
  }
  uint64_t bytes() const {
    uint64_t sum = 0;
    for (const auto& [begin, end] : ranges_) sum += end - begin;
    return sum;
  }
  // Where the last one ends.
  uint64_t end() const { return ranges_.empty() ? 0 : ranges_.rbegin()->second; }
  bool empty() const { return ranges_.empty(); }
  size_t count() const { return ranges_.size(); }
  const std::map<uint64_t, uint64_t>& ranges() const { return ranges_; }
  // Takes at most so much of the front away.
  std::pair<uint64_t, uint64_t> take(uint64_t most) {
    const auto [begin, end] = *ranges_.begin();
    ranges_.erase(ranges_.begin());
    const uint64_t until = std::min(end, begin + most);
    if (until < end) ranges_[until] = end;
    return {begin, until};
  }

 private:
  std::map<uint64_t, uint64_t> ranges_;
};

}  // namespace sluice
