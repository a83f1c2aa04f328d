// Deadlines, error counts, stopping, probing.
#include "crypto_offload/device_watch.h"

#include <algorithm>
#include <mutex>

#include "base/check.h"
#include "base/log.h"

namespace sluice {
namespace {

constexpr uint64_t kSecond = 1000 * kMillisecond;
// A device that kept working so long after its return has earned the shortest gap to a probe again.
constexpr uint64_t kTrustedAfter = 60 * kSecond;

}  // namespace

DeviceWatch::DeviceWatch(const DriverSet& drivers, size_t index, DriverCounters& counters)
    : drivers_(drivers),
      options_(drivers.options()),
      index_(index),
      device_(drivers[index]),
      counters_(counters),
      probe_(DeviceProbe::prepare(device_, drivers[drivers.size() - 1])),
      ops_(std::make_unique<std::array<Held, kMostHeld>>()),
      to_prove_(options_.verify_first),
      probe_gap_(options_.probe_after_ns) {}

// A probe that a device still has outlives the watch when the device cannot be stopped.
DeviceWatch::~DeviceWatch() {
  constexpr int kTries = 1000;
  for (int i = 0; probe_out_ && i < kTries; ++i) probe_out_ = !device_.stop();
  if (!probe_out_) return;
  static std::mutex mutex;
  static std::vector<std::unique_ptr<DeviceProbe>> abandoned;
  const std::lock_guard lock(mutex);
  abandoned.push_back(std::move(probe_));
}

void DeviceWatch::took(std::span<CryptoOp* const> ops, uint64_t now_ns) {
  SLUICE_CHECK(ops.size() <= room());
  held_count_ += ops.size();
  for (CryptoOp* op : ops) {
    op->mark.place = static_cast<uint16_t>(tail_ % kMostHeld);
    (*ops_)[tail_++ % kMostHeld] = {op, now_ns};
  }
}

uint64_t DeviceWatch::gave_back(const CryptoOp& op, uint64_t now_ns) {
  Held& held = (*ops_)[op.mark.place];
  SLUICE_CHECK(held.op == &op);
  held.op = nullptr;
  --held_count_;
  while (head_ != tail_ && (*ops_)[head_ % kMostHeld].op == nullptr) ++head_;
  return now_ns - held.since;
}

bool DeviceWatch::wants_check() {
  if (!in_service()) return true;
  if (to_prove_ > 0) {
    --to_prove_;
    return true;
  }
  if (options_.verify_one_in == 0 || ++until_check_ < options_.verify_one_in) return false;
  until_check_ = 0;
  return true;
}

void DeviceWatch::count_error(uint32_t weight, uint64_t now_ns) {
  if (now_ns - second_began_ > kSecond) {
    second_began_ = now_ns;
    errors_in_second_ = 0;
  }
  errors_in_second_ += weight;
  if (errors_in_second_ >= options_.error_limit && in_service()) take_out("too many errors", now_ns);
}

bool DeviceWatch::tick(uint64_t now_ns) {
  counters_.held.store(held_count_, std::memory_order_relaxed);
  switch (state_) {
    case State::in_service: watch_deadline(now_ns); break;
    case State::out_of_service:
      if (now_ns >= next_probe_) send_probe(now_ns);
      break;
    case State::probing:
      if (device_.lost() || now_ns - probe_sent_ > options_.deadline_ns) probe_failed(now_ns);
      break;
    case State::stopping: break;
  }
  last_tick_ = now_ns;
  if (state_ != State::stopping) return false;
  if (!device_.stop()) {
    complain_of_no_stop(now_ns);
    return false;
  }
  probe_out_ = false;
  state_ = State::out_of_service;
  next_probe_ = now_ns + probe_gap_;
  return true;
}

void DeviceWatch::watch_deadline(uint64_t now_ns) {
  if (device_.lost()) return take_out("it disappeared, and one that is put in its place needs a restart", now_ns);
  // A worker that itself stood still cannot tell how long the device took; it asks again before it judges.
  const bool stood_still = now_ns - last_tick_ > options_.deadline_ns / 2;
  excused_ = stood_still && !excused_;
  if (excused_) return;
  if (head_ != tail_ && now_ns - (*ops_)[head_ % kMostHeld].since > options_.deadline_ns) {
    take_out("it does not answer", now_ns);
  }
}

void DeviceWatch::take_out(std::string_view why, uint64_t now_ns) {
  begin_stop(now_ns);
  out_since_ = now_ns;
  if (back_since_ != 0 && now_ns - back_since_ > kTrustedAfter) probe_gap_ = options_.probe_after_ns;
  drivers_.set_out(index_, true);
  counters_.outages.add();
  // On a worker's thread, but no more often than devices are probed.
  log_line(LogLevel::warning, "%SECURITY-SSHD-4-CRYPTO_FAILOVER : crypto device " + std::string(device_.name()) +
                                  " is out of service: " + std::string(why) + "; " + std::to_string(held_count_) +
                                  " records are done again in software");
}

void DeviceWatch::complain_of_no_stop(uint64_t now_ns) {
  if (told_no_stop_ || now_ns - stopping_since_ < kSecond) return;
  told_no_stop_ = true;
  log_line(LogLevel::error, "%SECURITY-SSHD-3-CRYPTO_STUCK : crypto device " + std::string(device_.name()) +
                                " cannot be stopped; " + std::to_string(held_count_) +
                                " records wait for it, and their sessions with them");
}

void DeviceWatch::begin_stop(uint64_t now_ns) {
  state_ = State::stopping;
  stopping_since_ = now_ns;
  told_no_stop_ = false;
}

void DeviceWatch::send_probe(uint64_t now_ns) {
  if (!device_.start()) {
    next_probe_ = now_ns + probe_gap_;
    counters_.failed_probes.add();
    probe_gap_ = std::min(2 * probe_gap_, options_.probe_at_most_ns);
    return;
  }
  if (!probe_) return take_back(now_ns);
  state_ = State::probing;
  probe_sent_ = now_ns;
  CryptoOp* op = &probe_->arm();
  probe_out_ = device_.submit({&op, 1}) == 1;
  if (!probe_out_) probe_failed(now_ns);
}

void DeviceWatch::probe_came_back(uint64_t now_ns) {
  SLUICE_CHECK(probe_out_);
  probe_out_ = false;
  if (state_ != State::probing) return;
  if (probe_->answered_right()) return take_back(now_ns);
  probe_failed(now_ns);
}

void DeviceWatch::probe_failed(uint64_t now_ns) {
  counters_.failed_probes.add();
  probe_gap_ = std::min(2 * probe_gap_, options_.probe_at_most_ns);
  begin_stop(now_ns);
}

void DeviceWatch::take_back(uint64_t now_ns) {
  state_ = State::in_service;
  back_since_ = last_tick_ = now_ns;
  probe_gap_ = std::min(2 * probe_gap_, options_.probe_at_most_ns);
  errors_in_second_ = 0;
  to_prove_ = options_.verify_first;
  drivers_.set_out(index_, false);
  counters_.returns.add();
  log_line(LogLevel::notice, "%SECURITY-SSHD-5-CRYPTO_RETURN : crypto device " + std::string(device_.name()) +
                                 " is back in service after " + std::to_string((now_ns - out_since_) / kMillisecond) +
                                 " ms");
}

}  // namespace sluice
