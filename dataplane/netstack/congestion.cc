// CUBIC's curve, its Reno-friendly region, and HyStart++'s rounds.
#include "dataplane/netstack/congestion.h"

#include <algorithm>
#include <cmath>

#include "dataplane/netstack/sequence.h"

namespace sluice {
namespace {

constexpr double kBeta = 0.7;
constexpr double kC = 0.4;
constexpr double kAlpha = 3 * (1 - kBeta) / (1 + kBeta);
constexpr size_t kInitialSegments = 10;  // RFC 6928
constexpr double kSecondUs = 1e6;
// RFC 9406 section 4.3.
constexpr uint64_t kLeastRttThreshold = 4000;
constexpr uint64_t kMostRttThreshold = 16000;
constexpr int kRttSamples = 8;
constexpr int kCssRounds = 5;
constexpr size_t kCssDivisor = 4;

}  // namespace

void Congestion::begin(size_t mss) {
  *this = {};
  mss_ = mss;
  cwnd_ = kInitialSegments * mss;
}

void Congestion::on_ack(size_t bytes, bool limited, uint64_t srtt, uint64_t now) {
  if (!limited) {
    // Time in which the window was not used is no time on the curve.
    if (epoch_ != 0 && last_ack_ != 0) epoch_ += now - last_ack_;
    last_ack_ = now;
    return;
  }
  if (slow_start()) {
    cwnd_ = std::min(cwnd_ + (in_css_ ? std::max<size_t>(bytes / kCssDivisor, 1) : bytes), ssthresh_);
  } else {
    grow_cubic(bytes, srtt, now);
  }
  last_ack_ = now;
}

void Congestion::grow_cubic(size_t bytes, uint64_t srtt, uint64_t now) {
  const auto mss = static_cast<double>(mss_);
  const double cwnd = static_cast<double>(cwnd_) / mss;
  if (epoch_ == 0) {
    epoch_ = now;
    origin_ = std::max(w_max_, cwnd);
    k_ = std::cbrt((origin_ - cwnd) / kC);
    w_est_ = cwnd;
  }
  const double acked = static_cast<double>(bytes) / mss;
  const double t = static_cast<double>(now - epoch_) / kSecondUs;
  const double ahead = t + static_cast<double>(srtt) / kSecondUs - k_;
  const double target = std::clamp(origin_ + kC * ahead * ahead * ahead, cwnd, 1.5 * cwnd);
  w_est_ += (w_est_ >= prior_ ? 1.0 : kAlpha) * acked / cwnd;
  double grown = cwnd + (target - cwnd) / cwnd * acked;
  grown = std::max(grown, std::min(w_est_, cwnd + acked));
  rest_ += (grown - cwnd) * mss;
  const auto whole = static_cast<size_t>(rest_);
  rest_ -= static_cast<double>(whole);
  cwnd_ += whole;
}

void Congestion::on_rtt(uint64_t rtt, uint32_t acknowledged, uint32_t sent) {
  if (!slow_start()) return;
  if (!round_open_ || seq_before(round_end_, acknowledged)) {
    if (round_open_) end_round();
    round_open_ = true;
    round_end_ = sent;
    last_round_least_ = round_least_;
    round_least_ = UINT64_MAX;
    samples_ = 0;
  }
  round_least_ = std::min(round_least_, rtt);
  ++samples_;
  if (samples_ < kRttSamples || last_round_least_ == UINT64_MAX) return;
  if (in_css_) {
    // The delay is gone again: it was no queue.
    if (round_least_ < css_baseline_) {
      in_css_ = false;
      css_rounds_ = 0;
    }
    return;
  }
  const uint64_t threshold = std::clamp(last_round_least_ / 8, kLeastRttThreshold, kMostRttThreshold);
  if (round_least_ >= last_round_least_ + threshold) {
    in_css_ = true;
    css_rounds_ = 0;
    css_baseline_ = round_least_;
  }
}

void Congestion::end_round() {
  if (in_css_ && ++css_rounds_ >= kCssRounds) {
    ssthresh_ = cwnd_;
    in_css_ = false;
  }
}

void Congestion::reduce(size_t flight) {
  saved_ = {cwnd_, ssthresh_, w_max_};
  const size_t used = std::min(cwnd_, flight);
  const double cwnd = static_cast<double>(used) / static_cast<double>(mss_);
  prior_ = cwnd;
  // Fast convergence: whoever had less than before leaves more to the others.
  w_max_ = cwnd < w_max_ ? cwnd * (1 + kBeta) / 2 : cwnd;
  ssthresh_ = std::max(static_cast<size_t>(static_cast<double>(used) * kBeta), 2 * mss_);
  epoch_ = 0;
  rest_ = 0;
  in_css_ = false;
}

void Congestion::on_loss(size_t flight) { reduce(flight); }

void Congestion::on_timeout(size_t flight) {
  reduce(flight);
  cwnd_ = mss_;
}

void Congestion::on_idle() {
  cwnd_ = std::min(cwnd_, kInitialSegments * mss_);
  epoch_ = 0;
  round_open_ = false;
}

void Congestion::undo() {
  cwnd_ = std::max(cwnd_, saved_.cwnd);
  ssthresh_ = saved_.ssthresh;
  w_max_ = saved_.w_max;
  epoch_ = 0;
}

}  // namespace sluice
