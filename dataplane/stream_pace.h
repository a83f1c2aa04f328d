// StreamPace: whether a session is a stream, of which its worker sees more at a time by looking now and then than by
// being woken for every piece.
//
// A sleeper costs its waker as much as itself: the peer's client, on this machine or behind an interrupt, spends what a
// wake-up takes for each of its packets.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice {

class StreamPace {
 public:
  // Between two looks. A window of 2 MiB lasts longer at any rate that one connection reaches.
  static constexpr uint64_t kNapNs = 200'000;
  // So much is worth waking up for at once. Less than what a socket takes in before its sender has to stop.
  static constexpr size_t kWakeBytes = 256 * 1024;

  // What moved since this was last said, either way. True: naps() is another one now.
  bool note(uint64_t bytes, uint64_t now_ns) {
    bytes_ += bytes;
    if (!naps_ && bytes_ < kStreamBytes && now_ns - since_ns_ < kPeriodNs) return false;
    if (naps_ && now_ns - since_ns_ < kPeriodNs) return false;
    // Over a longer pause than a period it is no stream, whatever came in all.
    const bool stream = bytes_ >= (naps_ ? kStreamBytes / 2 : kStreamBytes) && now_ns - since_ns_ < 2 * kPeriodNs;
    since_ns_ = now_ns;
    bytes_ = 0;
    if (stream == naps_) return false;
    naps_ = stream;
    return true;
  }
  bool naps() const { return naps_; }
  // What comes next is waited for: to be woken for every byte again. True: naps() is another one now.
  bool hurry() {
    bytes_ = 0;
    return naps_ && !(naps_ = false);
  }

 private:
  // A quarter of a gigabyte a second begins one, half of that keeps it up.
  static constexpr uint64_t kPeriodNs = 1'000'000;
  static constexpr uint64_t kStreamBytes = 256 * 1024;

  uint64_t since_ns_ = 0;
  uint64_t bytes_ = 0;
  bool naps_ = false;
};

}  // namespace sluice
