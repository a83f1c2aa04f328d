// SpinPace: whether a session is a dialogue, whose next question comes so soon that its worker does better to look for
// it than to sleep.
//
// A sleeping core costs whoever wakes it an interrupt, some ten microseconds for each of the two, and a question of a
// dialogue waits for both. A worker that looks for the question takes nothing from a peer that runs elsewhere.
#pragma once

#include <algorithm>
#include <cstdint>

namespace sluice {

class SpinPace {
 public:
  // After the last work. What comes later pays for a wake-up.
  static constexpr uint64_t kSpinNs = 50'000;

  // The session moved, and when.
  void moved(uint64_t now_ns) {
    const uint64_t gap = now_ns - moved_ns_;
    moved_ns_ = now_ns;
    heat_ = gap <= kSoonNs ? std::min(heat_ + 1, kHot) : 0;
    if (wary_ > 0) --wary_;
    if (spins_until_ns_ == 0) return;
    const bool came = now_ns <= spins_until_ns_ + kSlackNs;
    spins_until_ns_ = 0;
    luck_ = came ? std::min(luck_ + 1, kMostLuck) : luck_ - kMissCosts;
    if (luck_ > 0) return;
    luck_ = kMissCosts + 1;
    wary_ = kWaryMoves;
  }
  uint64_t moved_ns() const { return moved_ns_; }
  // So often in a row has it moved soon again that looking once more before leaving it is worth it.
  bool is_hot() const { return heat_ == kHot; }
  // Hot, and most questions came in time. Once after each move: who waits for something else than the peer comes by
  // without having moved, and would be looked for as long as he waits.
  bool is_dialogue(uint64_t now_ns) const {
    return is_hot() && wary_ == 0 && spins_until_ns_ == 0 && now_ns - moved_ns_ <= kSoonNs;
  }
  // Until when it is looked for from now on.
  uint64_t spin(uint64_t now_ns) { return spins_until_ns_ = now_ns + kSpinNs; }

 private:
  static constexpr uint64_t kSoonNs = 100'000;
  static constexpr uint64_t kSlackNs = 5'000;
  static constexpr int kHot = 8;
  // Three of four have to come in time; else nothing is tried for a while.
  static constexpr int kMissCosts = 3;
  static constexpr int kMostLuck = 12;
  static constexpr int kWaryMoves = 1000;

  uint64_t moved_ns_ = 0;
  int heat_ = 0;
  int luck_ = kMissCosts + 1;
  int wary_ = 0;
  uint64_t spins_until_ns_ = 0;  // 0: was not looked for since it moved
};

}  // namespace sluice
