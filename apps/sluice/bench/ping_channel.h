// A channel that sends a small message to an echo and the next one when it is back, and notes how long each took.
#pragma once

#include <atomic>
#include <chrono>
#include <vector>

#include "apps/sluice/bench/pattern_channel.h"
#include "base/message_numbers.h"
#include "base/wire.h"

namespace sluice::bench {

class PingChannel final : public PatternChannel {
 public:
  // Times in milliseconds, as long as `noting` is true. Written on the worker's thread.
  PingChannel(const std::atomic<bool>& noting, std::vector<double>& delays) : noting_(noting), delays_(delays) {
    queue(WireWriter().u8(kMsgChannelOpen).string("session").u32(0).u32(kEchoWindow).u32(kEchoPacket).take());
  }

 private:
  static constexpr size_t kMessage = 64;

  void on_other(Bytes) override {}
  void on_confirmed() override {
    queue(WireWriter().u8(kMsgChannelRequest).u32(peer_channel_).string("exec").boolean(false).string("cat").take());
    to_send_ = kMessage;
  }
  size_t produce(MutableBytes out) override {
    const size_t n = std::min(out.size(), std::exchange(to_send_, 0));
    if (n > 0) sent_at_ = std::chrono::steady_clock::now();
    std::fill_n(out.begin(), n, uint8_t{'p'});
    return n;
  }
  void on_data(Bytes data) override {
    returned_ += data.size();
    if (returned_ < kMessage) return;
    returned_ = 0;
    to_send_ = kMessage;
    if (!noting_) return;
    delays_.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - sent_at_).count());
  }

  const std::atomic<bool>& noting_;
  std::vector<double>& delays_;
  std::chrono::steady_clock::time_point sent_at_;
  size_t to_send_ = 0;
  size_t returned_ = 0;
};

}  // namespace sluice::bench
