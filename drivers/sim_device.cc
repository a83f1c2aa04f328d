// Time, faults and the computing thread of the simulated device.
#include "drivers/sim_device.h"

#include <algorithm>

#include "base/check.h"

namespace sluice {
namespace {

constexpr uint64_t kMillion = 1'000'000;
constexpr size_t kBurst = 32;

}  // namespace

SimDevice::SimDevice(std::unique_ptr<CryptoDriver> computes, const SimOptions& options)
    : computes_(std::move(computes)),
      options_(options),
      clock_(options.virtual_clock ? options.virtual_clock : &monotonic_clock()),
      virtual_time_(options.virtual_clock != nullptr),
      random_(options.faults.seed) {
  SLUICE_CHECK(options.depth > 0 && options.depth <= kMostSimDepth);
  queue_.reserve(options.depth);
  for (uint32_t i = 0; i < options.depth; ++i) {
    jobs_.push_back(std::make_unique<Job>());
    free_.push_back(jobs_.back().get());
  }
  thread_ = std::thread([this] { run(); });
}

SimDevice::~SimDevice() {
  quit_.store(true, std::memory_order_release);
  submitted_.fetch_add(1, std::memory_order_release);
  submitted_.notify_one();
  thread_.join();
}

bool SimDevice::later(const Job* a, const Job* b) {
  return a->due_ns != b->due_ns ? a->due_ns > b->due_ns : a->order > b->order;
}

bool SimDevice::open_burst() {
  burst_ns_ = now_ns();
  pass_outage(burst_ns_);
  if (!running_ || outage_ == Outage::lost) return false;
  if (options_.faults.refusals == 0 || random_.below(kMillion) >= options_.faults.refusals) return true;
  ++tally_.refusals;
  return false;
}

// Ops leave the wire of the device one after the other, and arrive a latency later.
bool SimDevice::put(CryptoOp& op, PreparedKey& key) {
  if (free_.empty()) return false;
  Job& job = *free_.back();
  free_.pop_back();
  job.work = op;
  job.work.key = &key;
  job.op = &op;
  job.order = order_++;
  job.dice = static_cast<uint32_t>(random_.next() >> 32);
  job.fault = draw_fault(op);
  job.computed.store(false, std::memory_order_relaxed);
  const uint64_t transfer = uint64_t{op.length} * 8 * 1'000'000'000 / options_.bits_per_second;
  busy_until_ns_ = std::max(busy_until_ns_, burst_ns_) + transfer;
  const uint64_t jitter = options_.latency_ns * options_.jitter_percent / 100;
  job.due_ns = busy_until_ns_ + options_.latency_ns + random_.below(jitter + 1);
  queue_.push_back(&job);
  std::push_heap(queue_.begin(), queue_.end(), later);
  Job* pointer = &job;
  SLUICE_CHECK(to_compute_.push(std::move(pointer)));
  ++unrung_;
  if (outage_ == Outage::none) draw_outage();
  return true;
}

void SimDevice::ring_doorbell() {
  if (unrung_ == 0) return;
  submitted_.fetch_add(std::exchange(unrung_, 0), std::memory_order_release);
  submitted_.notify_one();
}

SimDevice::Fault SimDevice::draw_fault(const CryptoOp& op) {
  const SimFaults& f = options_.faults;
  uint64_t dice = random_.below(kMillion);
  const auto hit = [&dice](uint32_t share) {
    if (dice < share) return true;
    dice -= share;
    return false;
  };
  if (hit(f.errors)) return ++tally_.errors, Fault::error;
  if (hit(f.lost_ops)) return ++tally_.lost_ops, Fault::lost_op;
  if (op.direction == Direction::seal)
    return hit(f.wrong_seals) ? (++tally_.wrong_seals, Fault::wrong_seal) : Fault::none;
  if (hit(f.false_bad_tags)) return ++tally_.false_bad_tags, Fault::false_bad_tag;
  if (hit(f.wrong_opens)) return ++tally_.wrong_opens, Fault::wrong_open;
  return Fault::none;
}

void SimDevice::draw_outage() {
  const SimFaults& f = options_.faults;
  if (f.stalls + f.losses == 0) return;
  const uint64_t dice = random_.below(kMillion);
  if (dice >= uint64_t{f.stalls} + f.losses) return;
  const uint64_t ns = f.least_outage_ns + random_.below(f.most_outage_ns - f.least_outage_ns + 1);
  break_for(dice < f.stalls ? Outage::stalled : Outage::lost, ns);
}

void SimDevice::break_for(Outage outage, uint64_t ns) {
  ++(outage == Outage::stalled ? tally_.stalls : tally_.losses);
  outage_ = outage;
  outage_until_ns_ = now_ns() + ns;
}

// A stall that ends lets go of what it held; a device that comes back after a loss has forgotten everything.
void SimDevice::pass_outage(uint64_t now_ns) {
  if (outage_ == Outage::none || now_ns < outage_until_ns_) return;
  if (outage_ == Outage::lost && running_) return;  // until somebody has noticed and stopped it
  outage_ = Outage::none;
}

uint64_t SimDevice::next_due_ns() const {
  return queue_.empty() || outage_ != Outage::none || !running_ ? 0 : queue_.front()->due_ns;
}

size_t SimDevice::take(std::span<CryptoOp*> done) {
  if (queue_.empty()) return 0;
  const uint64_t now = now_ns();
  pass_outage(now);
  if (!running_ || outage_ != Outage::none) return 0;
  size_t n = 0;
  while (n < done.size() && !queue_.empty() && queue_.front()->due_ns <= now) {
    Job& job = *queue_.front();
    if (virtual_time_) wait_for(job);
    if (!job.computed.load(std::memory_order_acquire)) break;
    std::pop_heap(queue_.begin(), queue_.end(), later);
    queue_.pop_back();
    if (job.fault == Fault::lost_op) {
      // It keeps its place in the device, and may still be written to.
      job.fault = Fault::none;
      job.due_ns = ~uint64_t{0};
      queue_.push_back(&job);
      std::push_heap(queue_.begin(), queue_.end(), later);
      continue;
    }
    complete(job);
    done[n++] = job.op;
    free_.push_back(&job);
  }
  return n;
}

void SimDevice::wait_for(const Job& job) {
  while (true) {
    const uint32_t seen = bursts_done_.load(std::memory_order_acquire);
    if (job.computed.load(std::memory_order_acquire)) return;
    bursts_done_.wait(seen, std::memory_order_acquire);
  }
}

void SimDevice::complete(Job& job) {
  job.op->status = job.work.status;
  if (job.fault != Fault::none) corrupt(job);
}

void SimDevice::corrupt(Job& job) {
  CryptoOp& op = *job.op;
  const auto flip = static_cast<uint8_t>(1u << job.dice % 8);
  switch (job.fault) {
    case Fault::error:
      op.status = OpStatus::device_error;
      for (uint32_t i = 0; i < op.length; i += 2) op.dst[i] = static_cast<uint8_t>(job.dice);
      return;
    case Fault::wrong_seal:
      if (job.dice & 8) {
        op.tag[0] = static_cast<uint8_t>(op.tag[0] ^ flip);
      } else {
        op.dst[4 + job.dice / 16 % (op.length - 4)] ^= flip;
      }
      return;
    case Fault::false_bad_tag:
      op.status = OpStatus::bad_tag;
      std::memset(op.dst, 0, op.length);
      return;
    case Fault::wrong_open:
      if (op.status == OpStatus::ok) op.dst[5 + job.dice / 16 % (op.length - 5)] ^= flip;
      return;
    case Fault::none:
    case Fault::lost_op: return;
  }
}

bool SimDevice::lost() {
  pass_outage(now_ns());
  return outage_ == Outage::lost && running_;
}

// The last thing that a queue does before it stands still is to write into everything it still holds.
bool SimDevice::stop() {
  const uint64_t now = now_ns();
  if (!running_) return true;
  if (stopped_at_ns_ == 0) stopped_at_ns_ = now;
  if (now - stopped_at_ns_ < options_.stop_ns) return false;
  for (const Job* job : queue_) {
    if (virtual_time_) wait_for(*job);
    if (!job->computed.load(std::memory_order_acquire)) return false;
  }
  for (Job* job : queue_) {
    CryptoOp& op = *job->op;
    std::memset(op.dst, static_cast<int>(job->dice & 0xff), op.length);
    if (op.direction == Direction::seal) op.tag[0] = static_cast<uint8_t>(job->dice);
    ++tally_.late_writes;
    free_.push_back(job);
  }
  queue_.clear();
  running_ = false;
  stopped_at_ns_ = 0;
  ++tally_.stops;
  return true;
}

bool SimDevice::start() {
  pass_outage(now_ns());
  if (outage_ != Outage::none) return false;
  running_ = true;
  busy_until_ns_ = 0;
  return true;
}

void SimDevice::run() {
  std::array<Job*, kBurst> jobs;
  while (true) {
    const uint32_t seen = submitted_.load(std::memory_order_acquire);
    size_t n = 0;
    while (n < jobs.size()) {
      const auto job = to_compute_.pop();
      if (!job) break;
      jobs[n++] = *job;
    }
    if (n > 0) {
      compute({jobs.data(), n});
    } else if (quit_.load(std::memory_order_acquire)) {
      return;
    } else {
      submitted_.wait(seen, std::memory_order_acquire);
    }
  }
}

void SimDevice::compute(std::span<Job*> jobs) {
  std::array<CryptoOp*, kBurst> ops;
  for (size_t i = 0; i < jobs.size(); ++i) {
    CryptoOp& work = jobs[i]->work;
    // Library code is not instrumented: these accesses let a race detector see whose memory this is now.
    work.dst[0] = work.src[0];
    work.dst[work.length - 1] = work.src[work.length - 1];
    ops[i] = &work;
  }
  size_t taken = 0;
  size_t done = 0;
  std::array<CryptoOp*, kBurst> finished;
  while (done < jobs.size()) {
    taken += computes_->submit({ops.data() + taken, jobs.size() - taken});
    done += computes_->poll(finished);
  }
  for (Job* job : jobs) job->computed.store(true, std::memory_order_release);
  bursts_done_.fetch_add(1, std::memory_order_release);
  bursts_done_.notify_one();
}

}  // namespace sluice
