// The round trip's mean, its deviation and the retransmission timeout made of them (RFC 6298), in microseconds.
#pragma once

#include <algorithm>
#include <cstdint>

namespace sluice {

class RttEstimator {
 public:
  RttEstimator(uint64_t least_rto, uint64_t most_rto) : least_rto_(least_rto), most_rto_(most_rto) {}

  void sample(uint64_t rtt, uint64_t now) {
    rtt = std::max<uint64_t>(rtt, 1);
    if (srtt_ == 0) {
      srtt_ = rtt;
      rttvar_ = rtt / 2;
    } else {
      const uint64_t difference = srtt_ > rtt ? srtt_ - rtt : rtt - srtt_;
      rttvar_ = (3 * rttvar_ + difference) / 4;
      srtt_ = std::max<uint64_t>((7 * srtt_ + rtt) / 8, 1);
    }
    // A path can become longer: what was seen ten minutes ago is forgotten.
    if (rtt <= least_ || now - least_at_ > kLeastLasts) {
      least_ = rtt;
      least_at_ = now;
    }
    latest_ = rtt;
  }
  bool known() const { return srtt_ != 0; }
  uint64_t srtt() const { return srtt_; }
  uint64_t rttvar() const { return rttvar_; }
  uint64_t latest() const { return latest_; }
  // UINT64_MAX before the first sample.
  uint64_t least() const { return least_; }
  // Doubled for each timeout in a row. The least of it is on top of the round trip: on a long path, too, an answer may
  // be late, and a tail probe (two round trips) comes before.
  uint64_t rto(int backoff = 0) const {
    const uint64_t base = srtt_ == 0 ? kFirstRto : srtt_ + std::max<uint64_t>(4 * rttvar_, least_rto_);
    return std::min(std::min(base, most_rto_) << std::min(backoff, 20), most_rto_);
  }

 private:
  static constexpr uint64_t kFirstRto = 1'000'000;
  static constexpr uint64_t kLeastLasts = 600'000'000;

  uint64_t least_rto_, most_rto_;
  uint64_t srtt_ = 0;
  uint64_t rttvar_ = 0;
  uint64_t latest_ = 0;
  uint64_t least_ = UINT64_MAX;
  uint64_t least_at_ = 0;
};

}  // namespace sluice
