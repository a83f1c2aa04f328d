// What has been sent and not acknowledged, segment by segment: the scoreboard of RFC 2018 with RACK's times (RFC 8985).
//
// Segments are in sequence order, 16 bytes each. A run of segments that were selectively acknowledged knows its length
// at both of its ends, so that walks pass it in one step: no acknowledgment, however made, costs more than the segments
// that it newly names and those that are still open. A block that covers part of a segment says nothing about it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "dataplane/netstack/sequence.h"

namespace sluice {

struct SentSegment {
  static constexpr uint8_t kSacked = 1;
  static constexpr uint8_t kLost = 2;  // and not sent again yet
  static constexpr uint8_t kRetransmitted = 4;
  static constexpr uint8_t kFinSegment = 8;

  uint32_t sequence = 0;
  uint32_t sent_us = 0;  // the last time
  uint32_t run = 0;      // of a run's first and last
  uint16_t length = 0;   // payload
  uint8_t flags = 0;
  uint8_t times = 1;

  bool has(uint8_t flag) const { return (flags & flag) != 0; }
  uint32_t span() const { return length + (has(kFinSegment) ? 1u : 0u); }
  uint32_t end() const { return sequence + span(); }
};

// What one acknowledgment brought.
struct Delivered {
  size_t bytes = 0;       // newly acknowledged or selectively so
  size_t lost_bytes = 0;  // of these, bytes that were taken for lost
  bool any = false;
  uint32_t rtt_us = UINT32_MAX;  // of the segment sent last among those sent once
  // RACK's: the last sent one, and whether one sent once arrived behind later ones.
  bool rack = false;
  uint32_t rack_sent_us = 0;
  uint32_t rack_end = 0;
  bool reordered = false;
};

// What is needed to judge a segment that was sent more than once.
struct DeliveryTime {
  uint32_t now_us = 0;
  uint32_t least_rtt_us = 0;
  // No segment sent later than this can have caused the acknowledgment: from the timestamp's echo.
  bool echo_known = false;
  uint32_t echo_us = 0;
};

class SentSegments {
 public:
  static constexpr size_t kFirstCapacity = 64;
  // 64 MiB in segments of 1,024 bytes.
  static constexpr size_t kMostCapacity = size_t{1} << 16;

  bool empty() const { return first_ == end_; }
  size_t size() const { return end_ - first_; }
  bool full() const { return size() == kMostCapacity; }
  // Sent, neither acknowledged in any way nor lost.
  size_t in_flight() const { return in_flight_; }
  size_t lost() const { return lost_; }
  size_t sacked() const { return sacked_; }
  const SentSegment& front() const { return at(first_); }
  const SentSegment& back() const { return at(end_ - 1); }
  uint32_t highest_sacked_end() const { return highest_sacked_; }

  // Not when full().
  void push(uint32_t sequence, uint16_t length, bool fin, uint32_t now_us);
  void acknowledge(uint32_t una, const DeliveryTime& time, Delivered& out);
  void sack(uint32_t begin, uint32_t end, const DeliveryTime& time, Delivered& out);

  struct Losses {
    size_t bytes = 0;
    uint32_t wait_us = 0;  // until a segment that is still open would be lost; 0: none is
  };
  // RFC 8985 section 6.2 step 5.
  Losses detect_losses(uint32_t rack_sent_us, uint32_t rack_end, uint32_t window_us, uint32_t now_us);
  // The first one to send again, or null.
  SentSegment* next_lost();
  void sent_again(SentSegment& segment, uint32_t now_us);
  // For a tail probe: the last one that has not arrived.
  SentSegment* last_open();
  // The peer has thrown away what it had acknowledged (RFC 2018 section 8): it is in flight again.
  void forget_sacks();
  // A timeout. Returns how many segments it looked at: no more than were sent, again too, since the last time.
  size_t lose_all();
  // The oldest one, if it is in flight. Returns its bytes.
  size_t lose_first();
  // Losses that were none are in flight again.
  void unlose();
  void clear();

 private:
  SentSegment& at(size_t i) { return segments_[i & (capacity_ - 1)]; }
  const SentSegment& at(size_t i) const { return segments_[i & (capacity_ - 1)]; }
  void grow();
  size_t find(uint32_t sequence) const;
  void deliver(SentSegment& segment, const DeliveryTime& time, Delivered& out);
  void join_run(size_t i);
  void lose(size_t i);

  std::unique_ptr<SentSegment[]> segments_;
  size_t capacity_ = 0;
  size_t first_ = 0;
  size_t end_ = 0;
  size_t in_flight_ = 0;
  size_t lost_ = 0;
  size_t sacked_ = 0;
  size_t open_count_ = 0;  // in flight, in segments
  size_t lost_count_ = 0;
  size_t open_from_ = 0;  // no segment in flight is before
  size_t lost_from_ = 0;  // no lost one is before
  uint32_t highest_sacked_ = 0;
  bool any_sacked_ = false;
};

}  // namespace sluice
