// Laying records out, and the two loops that time them.
#include "apps/sluice_offload/workload.h"

#include <algorithm>
#include <chrono>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace sluice::offload {
namespace {

// Turns between two looks at the clock.
constexpr int kTurnsPerLook = 16;

uint64_t cycles() {
#if defined(__x86_64__)
  return __rdtsc();
#else
  return 0;
#endif
}

}  // namespace

uint64_t now_ns() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

Workload::Workload(CryptoDriver& driver, size_t records)
    : driver_(driver), pool_({2 * records, 0}), ops_(records), done_(records) {
  free_.reserve(records);
}

ResultOrText<std::unique_ptr<Workload>> Workload::make(CryptoDriver& driver, const CipherSuite& suite,
                                                       Direction direction, uint32_t payload, size_t records) {
  std::unique_ptr<Workload> work(new Workload(driver, records));
  if (auto known = driver.register_memory(work->pool_.memory()); !known) return fail(known.error());
  const ReferenceKeys keys = random_keys(suite, payload);
  auto key = driver.prepare(suite, direction, {keys.cipher_key, keys.iv, keys.mac_key});
  if (!key) return fail(key.error());
  work->key_ = std::move(*key);
  std::vector<uint8_t> bytes = frame_payload(suite, std::vector<uint8_t>(payload, 0x5a));
  const auto length = static_cast<uint32_t>(bytes.size());
  if (direction == Direction::open) bytes = reference_seal(suite, keys, 7, keys.iv, bytes);
  // Opening in place would leave nothing to open the next time.
  const bool separate = direction == Direction::open || driver.placement() == Placement::separate;
  for (CryptoOp& op : work->ops_) {
    uint8_t* source = work->pool_.take(length + suite.tag_bytes);
    std::copy(bytes.begin(), bytes.end(), source);
    op = CryptoOp{};
    op.key = work->key_.get();
    op.src = source;
    op.dst = separate ? work->pool_.take(length + suite.tag_bytes) : source;
    op.tag = direction == Direction::open ? source + length : op.dst + length;
    op.length = length;
    op.sequence = 7;
    op.direction = direction;
    std::copy(keys.iv.begin(), keys.iv.end(), op.iv.begin());
    work->free_.push_back(&op);
  }
  return work;
}

// The records used last come first: a worker's buffers are warm, too.
size_t Workload::turn(size_t batch) {
  const size_t offered = std::min(batch, free_.size());
  CryptoOp** first = free_.data() + (free_.size() - offered);
  const size_t taken = driver_.submit({first, offered});
  std::copy(first + taken, first + offered, first);
  free_.resize(free_.size() - taken);
  const size_t n = driver_.poll({done_.data(), std::min(batch, done_.size())});
  for (size_t i = 0; i < n; ++i) {
    failed_ += done_[i]->status != OpStatus::ok;
    done_[i]->status = OpStatus::pending;
    free_.push_back(done_[i]);
  }
  return n;
}

void Workload::drain() {
  while (free_.size() < ops_.size()) {
    const size_t n = driver_.poll(done_);
    free_.insert(free_.end(), done_.begin(), done_.begin() + static_cast<ptrdiff_t>(n));
  }
}

Workload::Rate Workload::run(size_t batch, double seconds) {
  for (int i = 0; i < kTurnsPerLook; ++i) turn(batch);
  failed_ = 0;
  Rate rate;
  const uint64_t start = now_ns();
  const uint64_t end = start + static_cast<uint64_t>(seconds * 1e9);
  const uint64_t first_cycle = cycles();
  uint64_t now = start;
  while (now < end) {
    for (int i = 0; i < kTurnsPerLook; ++i) rate.records += turn(batch);
    now = now_ns();
  }
  rate.cycles = static_cast<double>(cycles() - first_cycle);
  rate.seconds = static_cast<double>(now - start) * 1e-9;
  rate.failed = failed_;
  drain();
  return rate;
}

std::vector<uint64_t> Workload::latencies(size_t batch, size_t records) {
  std::vector<uint64_t> out;
  out.reserve(records + batch);
  while (out.size() < records) {
    const size_t offered = std::min(batch, free_.size());
    std::copy(free_.end() - static_cast<ptrdiff_t>(offered), free_.end(), done_.begin());
    free_.resize(free_.size() - offered);
    const std::vector<CryptoOp*> ops(done_.begin(), done_.begin() + static_cast<ptrdiff_t>(offered));
    const uint64_t start = now_ns();
    size_t taken = 0;
    size_t back = 0;
    while (back < offered) {
      taken += driver_.submit({ops.data() + taken, offered - taken});
      const size_t n = driver_.poll(done_);
      const uint64_t now = now_ns();
      out.insert(out.end(), n, now - start);
      back += n;
    }
    for (CryptoOp* op : ops) op->status = OpStatus::pending;
    free_.insert(free_.end(), ops.begin(), ops.end());
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace sluice::offload
