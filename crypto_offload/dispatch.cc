// Moving batches into drivers and out of them.
#include "crypto_offload/dispatch.h"

#include <algorithm>

namespace sluice {
namespace {

// Of so many batches of software one is timed.
constexpr unsigned kTimedOneIn = 16;

}  // namespace

// Counts what one poll of a driver brought, by runs of records of one epoch: a burst is mostly one session's.
class Dispatch::Tally {
 public:
  Tally(DriverCounters& counters, uint64_t latency_ns) : counters_(counters), latency_ns_(latency_ns) {}
  ~Tally() { flush(); }

  void count(const CryptoOp& op, const KeyEpoch& epoch) {
    if (&epoch != epoch_) {
      flush();
      epoch_ = &epoch;
      suite_ = &counters_.suite(epoch.suite().id);
    }
    ++records_;
    bytes_ += op.length;
  }

 private:
  void flush() {
    if (records_ == 0) return;
    suite_->records.add(records_);
    suite_->bytes.add(bytes_);
    if (latency_ns_ != 0) suite_->latency.add(latency_ns_, records_);
    records_ = bytes_ = 0;
  }

  DriverCounters& counters_;
  const uint64_t latency_ns_;  // of a timed batch, else 0
  const KeyEpoch* epoch_ = nullptr;
  SuiteCounters* suite_ = nullptr;
  uint64_t records_ = 0;
  uint64_t bytes_ = 0;
};

Dispatch::Dispatch(const DriverSet& drivers)
    : drivers_(&drivers), redo_(std::make_unique<std::array<CryptoOp*, kMostOutstanding>>()) {
  for (size_t i = 0; i < drivers.size(); ++i) {
    lanes_[i].driver = &drivers[i];
    if (drivers[i].kind() != DriverKind::hardware) continue;
    if (drivers.options().policy == OffloadPolicy::software) continue;
    lanes_[i].watch = std::make_unique<DeviceWatch>(drivers, i, counters_[i]);
    select_.set_in_service(i, true);
    ++devices_;
  }
}

void Dispatch::submit() {
  outstanding_ += staged_count_ - counted_;
  for (; redo_count_ > 0 && staged_count_ < kStageCapacity; --redo_count_) {
    staged_[staged_count_++] = (*redo_)[redo_head_++ % kMostOutstanding];
  }
  if (devices_ > 0) {
    give_to_devices();
  } else {
    give_to_software();
  }
  counted_ = staged_count_;
  set_stage_limit();
}

void Dispatch::set_stage_limit() {
  const size_t room = std::min(kStageCapacity - counted_, kMostOutstanding - outstanding_);
  stage_limit_ = redo_count_ > 0 ? 0 : counted_ + room;
}

// 1. each op to the lane of the device that takes it  2. submit  3. the rest, and what was refused, to software
void Dispatch::give_to_devices() {
  std::array<CryptoOp*, kStageCapacity> kept;
  size_t kept_count = 0;
  size_t rest = 0;
  for (size_t i = 0; i < staged_count_; ++i) {
    CryptoOp& op = *staged_[i];
    const KeyEpoch::Candidate* device = select_.device(op);
    if (device == nullptr) {
      staged_[rest++] = &op;
    } else if (Lane& lane = lanes_[device->driver]; lane.waiting_count == kStageCapacity) {
      kept[kept_count++] = &op;
    } else {
      op.key = device->key.get();
      lane.waiting[lane.waiting_count++] = &op;
    }
  }
  staged_count_ = rest;
  for (size_t d = 0; d < drivers_->size(); ++d) {
    Lane& lane = lanes_[d];
    if (!lane.watch) continue;
    offer(d);
    if (lane.waiting_count > 0) pass_on_refused(lane, d);
  }
  give_to_software();
  std::copy(kept.begin(), kept.begin() + static_cast<ptrdiff_t>(kept_count),
            staged_.begin() + static_cast<ptrdiff_t>(staged_count_));
  staged_count_ += kept_count;
}

// Adaptive goes on in software at once; the policy hardware waits for the device.
void Dispatch::pass_on_refused(Lane& lane, size_t driver) {
  for (size_t i = 0; i < lane.waiting_count; ++i) {
    const auto full = static_cast<size_t>(PassedOver::queue_full);
    counters_[driver].suite(lane.waiting[i]->key->epoch->suite().id).passed_over[full].add();
  }
  if (drivers_->options().policy != OffloadPolicy::adaptive) return;
  std::copy(lane.waiting.begin(), lane.waiting.begin() + static_cast<ptrdiff_t>(lane.waiting_count),
            staged_.begin() + static_cast<ptrdiff_t>(staged_count_));
  staged_count_ += std::exchange(lane.waiting_count, 0);
}

void Dispatch::give_to_software() {
  select_.count_at_hand({staged_.data(), staged_count_});
  size_t given = 0;
  for (; given < staged_count_; ++given) {
    CryptoOp& op = *staged_[given];
    const KeyEpoch::Candidate& chosen = select_.software(op);
    op.key = chosen.key.get();
    Lane& lane = lanes_[chosen.driver];
    // Keep the rest staged, in order, until the driver takes some.
    if (lane.waiting_count == kStageCapacity) break;
    lane.waiting[lane.waiting_count++] = &op;
  }
  std::copy(staged_.begin() + static_cast<ptrdiff_t>(given), staged_.begin() + static_cast<ptrdiff_t>(staged_count_),
            staged_.begin());
  staged_count_ -= given;
  for (size_t d = 0; d < drivers_->size(); ++d) {
    if (!lanes_[d].watch) offer(d);
  }
}

void Dispatch::offer(size_t driver) {
  Lane& lane = lanes_[driver];
  if (lane.waiting_count == 0) return;
  size_t offered = lane.waiting_count;
  uint64_t now = 0;
  if (lane.watch) {
    offered = lane.watch->in_service() ? std::min(offered, lane.watch->room()) : 0;
    now = now_ns();
  } else if (lane.offers++ % kTimedOneIn == 0) {
    now = lane.timed_at_ns = now_ns();
  }
  const size_t taken = lane.driver->submit({lane.waiting.data(), offered});
  SLUICE_CHECK(taken <= offered);
  if (lane.watch) lane.watch->took({lane.waiting.data(), taken}, now);
  in_flight_ += taken;
  lane.taken += taken;
  std::copy(lane.waiting.begin() + static_cast<ptrdiff_t>(taken),
            lane.waiting.begin() + static_cast<ptrdiff_t>(lane.waiting_count), lane.waiting.begin());
  lane.waiting_count -= taken;
}

size_t Dispatch::poll() {
  finished_ = 0;
  for (size_t d = 0; d < drivers_->size(); ++d) {
    offer(d);
    if (lanes_[d].watch) {
      poll_device(d);
    } else {
      poll_software(d);
    }
  }
  set_stage_limit();
  return finished_;
}

void Dispatch::poll_software(size_t driver) {
  Lane& lane = lanes_[driver];
  const uint64_t began = std::exchange(lane.timed_at_ns, 0);
  Tally tally(counters_[driver], began != 0 ? now_ns() - began : 0);
  Burst done;
  size_t n;
  do {
    n = lane.driver->poll(done);
    in_flight_ -= n;
    for (CryptoOp* op : std::span(done).first(n)) {
      const bool plain = op->status == OpStatus::ok && op->mark.check == 0;
      if (plain || answer_stands(*op, driver, tally)) finish(*op, tally);
    }
  } while (n == done.size());
}

void Dispatch::poll_device(size_t driver) {
  DeviceWatch& watch = *lanes_[driver].watch;
  const uint64_t now = now_ns();
  Tally tally(counters_[driver], 0);
  Burst done;
  size_t n;
  do {
    n = lanes_[driver].driver->poll(done);
    for (CryptoOp* op : std::span(done).first(n)) {
      if (watch.is_probe(op)) {
        watch.probe_came_back(now);
        continue;
      }
      --in_flight_;
      counters_[driver].suite(op->key->epoch->suite().id).latency.add(watch.gave_back(*op, now));
      if (answer_stands(*op, driver, tally)) finish(*op, tally);
    }
  } while (n == done.size());
  tend(driver, now);
}

// Lets the watch judge, and takes back what a device will not do any more.
void Dispatch::tend(size_t driver, uint64_t now_ns) {
  Lane& lane = lanes_[driver];
  if (lane.watch->tick(now_ns)) {
    lane.watch->give_up([&](CryptoOp& op) {
      --in_flight_;
      counters_[driver].suite(op.key->epoch->suite().id).redone.add();
      SLUICE_CHECK(redo_behind(op, driver));
    });
  }
  select_.set_in_service(driver, lane.watch->in_service());
  if (lane.watch->in_service()) return;
  for (size_t i = 0; i < lane.waiting_count; ++i) redo(*lane.waiting[i]);
  lane.waiting_count = 0;
}

inline void Dispatch::finish(CryptoOp& op, Tally& tally) {
  KeyEpoch& epoch = *op.key->epoch;
  if (op.status != OpStatus::device_error) [[likely]]
    tally.count(op, epoch);
  epoch.complete(op);
  --outstanding_;
  ++finished_;
}

// False when the op is done again. A device's bad_tag is never the last word: a faulty device must not end sessions.
bool Dispatch::answer_stands(CryptoOp& op, size_t driver, Tally& tally) {
  const Lane& lane = lanes_[driver];
  SuiteCounters& suite = counters_[driver].suite(op.key->epoch->suite().id);
  if (op.status == OpStatus::device_error) {
    suite.errors.add();
    if (lane.watch) lane.watch->erred(now_ns());
    return !redo_behind(op, driver);
  }
  if (!lane.watch) {
    if (op.mark.check != 0) settle_check(op);
    return true;
  }
  if (op.status == OpStatus::ok && !lane.watch->wants_check()) return true;
  const KeyEpoch& epoch = *op.key->epoch;
  if (!checks_.full()) {
    checks_.remember(op, driver, epoch.suite().tag_bytes);
    suite.checked.add();
  }
  tally.count(op, epoch);
  op.attempts = static_cast<uint8_t>(epoch.devices());
  op.status = OpStatus::pending;
  redo(op);
  return false;
}

void Dispatch::settle_check(CryptoOp& op) {
  const CipherSuite& suite = op.key->epoch->suite();
  const AnswerChecks::Verdict verdict = checks_.settle(op, suite.tag_bytes);
  if (verdict.agreed) return;
  counters_[verdict.device].suite(suite.id).wrong.add();
  lanes_[verdict.device].watch->answered_wrong(now_ns());
}

// There is always room: the list holds every op that can be outstanding.
void Dispatch::redo(CryptoOp& op) {
  SLUICE_CHECK(redo_count_ < kMostOutstanding);
  (*redo_)[(redo_head_ + redo_count_++) % kMostOutstanding] = &op;
}

// By the candidates behind a driver that failed, and only from an intact source: work in place has overwritten it.
bool Dispatch::redo_behind(CryptoOp& op, size_t driver) {
  const auto& candidates = op.key->epoch->candidates();
  size_t i = 0;
  while (i < candidates.size() && candidates[i].driver != driver) ++i;
  if (op.src == op.dst || i + 1 >= candidates.size()) {
    if (op.mark.check != 0) checks_.forget(op);
    return false;
  }
  op.attempts = static_cast<uint8_t>(i + 1);
  op.status = OpStatus::pending;
  redo(op);
  return true;
}

}  // namespace sluice
