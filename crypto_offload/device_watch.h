// One device under watch: the ops it holds, how it behaves, and when it is taken out of service and back.
//
//   in_service -> stopping -> out_of_service -> probing -> in_service
//
// Invariant: an op that the device holds is done again only after stop() said that neither device nor driver will touch
// its memory any more. Until then its buffers are quarantined by staying where they are: the op is still in flight.
#pragma once

#include <array>
#include <memory>
#include <string_view>

#include "crypto_offload/device_probe.h"
#include "crypto_offload/driver_set.h"
#include "crypto_offload/offload_counters.h"

namespace sluice {

// Ops that a device holds at most: more than the queue of any.
inline constexpr size_t kMostHeld = 4096;

class DeviceWatch {
 public:
  enum class State : uint8_t { in_service, stopping, out_of_service, probing };

  DeviceWatch(const DriverSet& drivers, size_t index, DriverCounters& counters);
  ~DeviceWatch();
  DeviceWatch(const DeviceWatch&) = delete;
  DeviceWatch& operator=(const DeviceWatch&) = delete;

  State state() const { return state_; }
  bool in_service() const { return state_ == State::in_service; }
  size_t room() const { return kMostHeld - (tail_ - head_); }
  size_t held() const { return held_count_; }

  void took(std::span<CryptoOp* const> ops, uint64_t now_ns);
  // An op came back. Returns how long it was away.
  uint64_t gave_back(const CryptoOp& op, uint64_t now_ns);
  bool is_probe(const CryptoOp* op) const { return probe_ && probe_->is(op); }
  void probe_came_back(uint64_t now_ns);

  void erred(uint64_t now_ns) { count_error(1, now_ns); }
  void answered_wrong(uint64_t now_ns) { count_error(options_.wrong_weight, now_ns); }
  // Whether the next answer is to be compared with software's.
  bool wants_check();

  // Once a turn, after the device was polled. True: it was stopped just now, and give_up() must follow.
  bool tick(uint64_t now_ns);
  // Hands over all ops that the device held.
  template <class F>
  void give_up(F&& take) {
    for (; head_ != tail_; ++head_) {
      CryptoOp* op = (*ops_)[head_ % kMostHeld].op;
      if (op == nullptr) continue;
      --held_count_;
      take(*op);
    }
  }

 private:
  struct Held {
    CryptoOp* op = nullptr;  // null: came back
    uint64_t since = 0;
  };

  void count_error(uint32_t weight, uint64_t now_ns);
  void watch_deadline(uint64_t now_ns);
  void take_out(std::string_view why, uint64_t now_ns);
  void take_back(uint64_t now_ns);
  void begin_stop(uint64_t now_ns);
  void complain_of_no_stop(uint64_t now_ns);
  void send_probe(uint64_t now_ns);
  void probe_failed(uint64_t now_ns);

  const DriverSet& drivers_;
  const OffloadOptions& options_;
  const size_t index_;
  CryptoDriver& device_;
  DriverCounters& counters_;
  std::unique_ptr<DeviceProbe> probe_;

  State state_ = State::in_service;
  // In the order of submission, from which ops drop out in any order.
  std::unique_ptr<std::array<Held, kMostHeld>> ops_;
  size_t head_ = 0;
  size_t tail_ = 0;
  size_t held_count_ = 0;

  uint64_t last_tick_ = 0;
  bool excused_ = false;
  uint64_t second_began_ = 0;
  uint32_t errors_in_second_ = 0;
  uint32_t to_prove_;
  uint32_t until_check_ = 0;
  bool probe_out_ = false;
  uint64_t out_since_ = 0;
  uint64_t stopping_since_ = 0;
  bool told_no_stop_ = false;
  uint64_t back_since_ = 0;
  uint64_t next_probe_ = 0;
  uint64_t probe_sent_ = 0;
  uint64_t probe_gap_;
};

}  // namespace sluice
