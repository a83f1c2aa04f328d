// Marks, runs and walks of the scoreboard.
#include "dataplane/netstack/sent_segments.h"

#include <algorithm>

#include "base/check.h"

namespace sluice {
namespace {

// A block that begins inside a run is walked segment by segment: what it names beyond this waits for the next one. An
// honest peer's blocks begin where runs do.
constexpr size_t kMostSackSteps = 4096;

}  // namespace

void SentSegments::grow() {
  const size_t capacity = capacity_ == 0 ? kFirstCapacity : capacity_ * 2;
  auto segments = std::make_unique<SentSegment[]>(capacity);
  for (size_t i = first_; i != end_; ++i) segments[i & (capacity - 1)] = at(i);
  segments_ = std::move(segments);
  capacity_ = capacity;
}

void SentSegments::clear() {
  open_from_ = lost_from_ = first_ = end_;
  in_flight_ = lost_ = sacked_ = open_count_ = lost_count_ = 0;
  any_sacked_ = false;
}

void SentSegments::push(uint32_t sequence, uint16_t length, bool fin, uint32_t now_us) {
  SLUICE_CHECK(!full());
  if (size() == capacity_) grow();
  SentSegment& segment = at(end_++);
  segment = {sequence, now_us, 0, length, fin ? SentSegment::kFinSegment : uint8_t{0}, 1};
  in_flight_ += segment.span();
  ++open_count_;
}

size_t SentSegments::find(uint32_t sequence) const {
  size_t low = first_;
  size_t high = end_;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (seq_at_most(at(middle).end(), sequence)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// RFC 8985 section 6.2 steps 1 to 3: of a segment that was sent again it must be sure that it is the later one that
// arrived. By RFC 6298 only those sent once tell the round trip.
void SentSegments::deliver(SentSegment& segment, const DeliveryTime& time, Delivered& out) {
  out.any = true;
  out.bytes += segment.span();
  if (segment.has(SentSegment::kLost)) {
    lost_ -= segment.span();
    --lost_count_;
    out.lost_bytes += segment.span();
  } else {
    in_flight_ -= segment.span();
    --open_count_;
  }
  const uint32_t age = time.now_us - segment.sent_us;
  if (segment.has(SentSegment::kRetransmitted)) {
    if (age < time.least_rtt_us) return;
    if (time.echo_known && seq_before(time.echo_us, segment.sent_us)) return;
  } else {
    out.rtt_us = std::min(out.rtt_us, age);
    const bool overtaken = any_sacked_ && seq_before(segment.end(), highest_sacked_);
    out.reordered |= overtaken;
  }
  const bool later = !out.rack || seq_before(out.rack_sent_us, segment.sent_us) ||
                     (out.rack_sent_us == segment.sent_us && seq_before(out.rack_end, segment.end()));
  if (later) {
    out.rack = true;
    out.rack_sent_us = segment.sent_us;
    out.rack_end = segment.end();
  }
}

void SentSegments::acknowledge(uint32_t una, const DeliveryTime& time, Delivered& out) {
  while (first_ != end_) {
    SentSegment& segment = at(first_);
    if (!seq_before(segment.sequence, una)) break;
    const bool whole = seq_at_most(segment.end(), una);
    if (!whole) {
      // The rest of it stays; what is gone counts.
      const uint32_t gone = una - segment.sequence;
      segment.sequence = una;
      segment.length = static_cast<uint16_t>(segment.length - gone);
      if (segment.has(SentSegment::kSacked)) {
        sacked_ -= gone;
      } else {
        (segment.has(SentSegment::kLost) ? lost_ : in_flight_) -= gone;
        out.bytes += gone;
        out.any = true;
      }
      break;
    }
    if (segment.has(SentSegment::kSacked)) {
      sacked_ -= segment.span();
      if (segment.run > 1) {
        const size_t last = first_ + segment.run - 1;
        at(last).run = at(first_ + 1).run = segment.run - 1;
      }
    } else {
      deliver(segment, time, out);
    }
    ++first_;
  }
  open_from_ = std::max(open_from_, first_);
  lost_from_ = std::max(lost_from_, first_);
  if (first_ == end_ || (any_sacked_ && seq_at_most(highest_sacked_, una))) any_sacked_ = false;
}

void SentSegments::join_run(size_t i) {
  size_t begin = i;
  size_t end = i + 1;
  if (i > first_ && at(i - 1).has(SentSegment::kSacked)) begin = i - at(i - 1).run;
  if (i + 1 < end_ && at(i + 1).has(SentSegment::kSacked)) end = i + 1 + at(i + 1).run;
  at(begin).run = at(end - 1).run = static_cast<uint32_t>(end - begin);
}

void SentSegments::sack(uint32_t begin, uint32_t end, const DeliveryTime& time, Delivered& out) {
  if (first_ == end_) return;
  begin = seq_later(begin, front().sequence);
  if (!seq_before(begin, end) || seq_before(back().end(), end)) return;
  size_t i = find(begin);
  if (i != end_ && seq_before(at(i).sequence, begin)) ++i;
  for (size_t steps = 0; i != end_ && seq_at_most(at(i).end(), end) && steps < kMostSackSteps; ++steps) {
    SentSegment& segment = at(i);
    if (segment.has(SentSegment::kSacked)) {
      // The walk may have begun inside a run, whose middle knows no length.
      const bool first_of_run = i == first_ || !at(i - 1).has(SentSegment::kSacked);
      i += first_of_run && segment.run > 0 ? segment.run : 1;
      continue;
    }
    deliver(segment, time, out);
    segment.flags = static_cast<uint8_t>((segment.flags & ~SentSegment::kLost) | SentSegment::kSacked);
    sacked_ += segment.span();
    highest_sacked_ = any_sacked_ ? seq_later(highest_sacked_, segment.end()) : segment.end();
    any_sacked_ = true;
    join_run(i);
    ++i;
  }
}

void SentSegments::lose(size_t i) {
  SentSegment& segment = at(i);
  segment.flags |= SentSegment::kLost;
  in_flight_ -= segment.span();
  lost_ += segment.span();
  --open_count_;
  ++lost_count_;
  lost_from_ = std::min(lost_from_, i);
}

SentSegments::Losses SentSegments::detect_losses(uint32_t rack_sent_us, uint32_t rack_end, uint32_t window_us,
                                                 uint32_t now_us) {
  Losses out;
  size_t left = open_count_;
  bool leading = true;
  for (size_t i = std::max(open_from_, first_); i < end_ && left > 0;) {
    const SentSegment& segment = at(i);
    if (segment.has(SentSegment::kSacked)) {
      // open_from_ may point into a run.
      const bool first_of_run = i == first_ || !at(i - 1).has(SentSegment::kSacked);
      i += first_of_run ? std::max<uint32_t>(segment.run, 1) : 1;
      if (leading) open_from_ = std::min(i, end_);
      continue;
    }
    if (segment.has(SentSegment::kLost)) {
      ++i;
      if (leading) open_from_ = i;
      continue;
    }
    --left;
    const bool before = seq_before(segment.sent_us, rack_sent_us) ||
                        (segment.sent_us == rack_sent_us && seq_before(segment.end(), rack_end));
    if (!before) {
      // Whatever is behind one that was sent once was sent later still.
      if (!segment.has(SentSegment::kRetransmitted)) break;
      leading = false;
      ++i;
      continue;
    }
    // window_us holds RACK's round trip and the reordering window.
    const auto remaining = static_cast<int32_t>(segment.sent_us + window_us - now_us);
    if (remaining <= 0) {
      out.bytes += segment.span();
      lose(i);
      if (leading) open_from_ = i + 1;
    } else {
      out.wait_us = std::max(out.wait_us, static_cast<uint32_t>(remaining));
      leading = false;
    }
    ++i;
  }
  return out;
}

SentSegment* SentSegments::next_lost() {
  if (lost_count_ == 0) return nullptr;
  for (size_t i = std::max(lost_from_, first_); i < end_;) {
    SentSegment& segment = at(i);
    if (segment.has(SentSegment::kLost)) {
      lost_from_ = i;
      return &segment;
    }
    const bool run = segment.has(SentSegment::kSacked) && (i == first_ || !at(i - 1).has(SentSegment::kSacked));
    i += run ? std::max<uint32_t>(segment.run, 1) : 1;
  }
  return nullptr;
}

void SentSegments::sent_again(SentSegment& segment, uint32_t now_us) {
  const size_t i = find(segment.sequence);
  if (segment.has(SentSegment::kLost)) {
    lost_ -= segment.span();
    --lost_count_;
    in_flight_ += segment.span();
    ++open_count_;
  }
  segment.flags = static_cast<uint8_t>((segment.flags & ~SentSegment::kLost) | SentSegment::kRetransmitted);
  segment.sent_us = now_us;
  if (segment.times < UINT8_MAX) ++segment.times;
  open_from_ = std::min(open_from_, i);
}

SentSegment* SentSegments::last_open() {
  for (size_t i = end_; i > first_;) {
    SentSegment& segment = at(i - 1);
    if (!segment.has(SentSegment::kSacked)) return &segment;
    i -= std::max<uint32_t>(segment.run, 1);
  }
  return nullptr;
}

void SentSegments::forget_sacks() {
  for (size_t i = first_; i != end_; ++i) {
    SentSegment& segment = at(i);
    if (!segment.has(SentSegment::kSacked)) continue;
    segment.flags = static_cast<uint8_t>(segment.flags & ~SentSegment::kSacked);
    sacked_ -= segment.span();
    in_flight_ += segment.span();
    ++open_count_;
  }
  any_sacked_ = false;
  open_from_ = first_;
}

// Ends with the last one in flight: asked again, it walks over no more than what was sent since.
size_t SentSegments::lose_all() {
  size_t steps = 0;
  for (size_t i = std::max(open_from_, first_); i < end_ && open_count_ > 0; ++steps) {
    const SentSegment& segment = at(i);
    if (segment.has(SentSegment::kSacked)) {
      const bool first_of_run = i == first_ || !at(i - 1).has(SentSegment::kSacked);
      i += first_of_run ? std::max<uint32_t>(segment.run, 1) : 1;
      continue;
    }
    if (!segment.has(SentSegment::kLost)) lose(i);
    ++i;
  }
  open_from_ = end_;
  return steps;
}

size_t SentSegments::lose_first() {
  if (empty() || at(first_).has(SentSegment::kSacked) || at(first_).has(SentSegment::kLost)) return 0;
  lose(first_);
  return front().span();
}

void SentSegments::unlose() {
  for (size_t i = first_; i != end_ && lost_count_ > 0; ++i) {
    SentSegment& segment = at(i);
    if (!segment.has(SentSegment::kLost)) continue;
    segment.flags = static_cast<uint8_t>(segment.flags & ~SentSegment::kLost);
    lost_ -= segment.span();
    --lost_count_;
    in_flight_ += segment.span();
    ++open_count_;
  }
  open_from_ = first_;
}

}  // namespace sluice
