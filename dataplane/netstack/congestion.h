// How much may be in flight: CUBIC (RFC 9438) with HyStart++ (RFC 9406). Knows no segments; bytes and microseconds.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice {

class Congestion {
 public:
  void begin(size_t mss);
  // The path takes smaller segments now, or larger ones again: a window is never below one of them.
  void set_mss(size_t mss) {
    mss_ = mss;
    set_cwnd(cwnd_);
  }

  size_t cwnd() const { return cwnd_; }
  size_t ssthresh() const { return ssthresh_; }
  bool slow_start() const { return cwnd_ < ssthresh_; }

  // Outside recovery. `limited`: the window was what held us back; an unused window does not grow (RFC 9438 5.8).
  void on_ack(size_t bytes, bool limited, uint64_t srtt, uint64_t now);
  // For HyStart++: of each acknowledgment, with where the stream stands.
  void on_rtt(uint64_t rtt, uint32_t acknowledged, uint32_t sent);
  // A loss: the window that recovery ends with is ssthresh(). What in between is allowed is the caller's (PRR).
  // `flight`: what was under way. A window that was allowed and not used is no measure of the path (RFC 9438
  // section 4.6).
  void on_loss(size_t flight);
  void on_timeout(size_t flight);
  // Nothing was sent for longer than a timeout (RFC 5681 section 4.1).
  void on_idle();
  void set_cwnd(size_t cwnd) { cwnd_ = cwnd < mss_ ? mss_ : cwnd; }
  // The last on_loss() or on_timeout() was a mistake.
  void undo();

 private:
  void reduce(size_t flight);
  void grow_cubic(size_t bytes, uint64_t srtt, uint64_t now);
  void end_round();

  static constexpr size_t kInfinite = SIZE_MAX / 4;

  size_t mss_ = 536;
  size_t cwnd_ = 0;
  size_t ssthresh_ = kInfinite;

  // CUBIC, in segments and seconds.
  double w_max_ = 0;
  double k_ = 0;
  double origin_ = 0;  // the window that the curve flattens at
  double w_est_ = 0;
  double prior_ = 0;  // before the last reduction
  double rest_ = 0;   // bytes of growth below one
  uint64_t epoch_ = 0;
  uint64_t last_ack_ = 0;

  // HyStart++.
  bool round_open_ = false;
  bool in_css_ = false;
  uint32_t round_end_ = 0;
  int samples_ = 0;
  int css_rounds_ = 0;
  uint64_t round_least_ = UINT64_MAX;
  uint64_t last_round_least_ = UINT64_MAX;
  uint64_t css_baseline_ = UINT64_MAX;

  struct Saved {
    size_t cwnd = 0;
    size_t ssthresh = 0;
    double w_max = 0;
  } saved_;
};

}  // namespace sluice
