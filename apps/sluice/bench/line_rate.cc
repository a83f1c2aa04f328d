// Loops over a record loop, and the arithmetic of Ethernet.
#include "apps/sluice/bench/line_rate.h"

#include <algorithm>
#include <cmath>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "apps/sluice/bench/record_loop.h"
#include "base/clock.h"

namespace sluice::bench {
namespace {

// Of latencies kept of one run.
constexpr size_t kMostSamples = size_t{1} << 20;
constexpr int kTurnsPerLook = 8;

uint64_t now_ns() { return monotonic_clock().now_ns(); }

}  // namespace

uint64_t time_stamp() {
#if defined(__x86_64__)
  return __rdtsc();
#else
  return 0;
#endif
}

double Arrivals::take() {
  const double now = next_;
  const double uniform = static_cast<double>((random_.next() >> 11) + 1) * 0x1p-53;
  next_ -= std::log(uniform) * mean_ns_;
  return now;
}

RecordRate measure_records(const CipherSuite& suite, Direction direction, uint32_t payload, const std::string& driver,
                           size_t batch, double seconds) {
  RecordLoop loop(suite, payload, batch, driver);
  uint64_t records = 0, spent_ns = 0, spent_cycles = 0;
  const auto limit = static_cast<uint64_t>(seconds * 1e9);
  // The first turn makes what is made once.
  if (direction == Direction::seal) {
    loop.seal();
  } else {
    loop.prepare_open();
    for (size_t i = 0; i < loop.rounds(); ++i) loop.open();
  }
  while (spent_ns < limit) {
    if (direction == Direction::open) loop.prepare_open();
    const uint64_t began = now_ns(), first = time_stamp();
    const size_t turns = direction == Direction::seal ? kTurnsPerLook : loop.rounds();
    for (size_t i = 0; i < turns; ++i) direction == Direction::seal ? loop.seal() : loop.open();
    spent_cycles += time_stamp() - first;
    spent_ns += now_ns() - began;
    records += turns * batch;
  }
  const auto count = static_cast<double>(records);
  return {count / (static_cast<double>(spent_ns) * 1e-9), static_cast<double>(spent_cycles) / count / payload,
          loop.ran(direction)};
}

std::vector<double> seal_latencies(const CipherSuite& suite, uint32_t payload, const std::string& driver, size_t batch,
                                   double records_per_second, double seconds) {
  RecordLoop loop(suite, payload, batch, driver);
  loop.seal();
  Arrivals arrivals(payload, records_per_second);
  std::vector<double> latencies;
  const uint64_t began = now_ns();
  const double end = seconds * 1e9;
  std::vector<double> due;
  while (arrivals.next() < end && latencies.size() < kMostSamples) {
    const auto now = static_cast<double>(now_ns() - began);
    due.clear();
    while (arrivals.next() <= now && due.size() < batch) due.push_back(arrivals.take());
    if (due.empty()) continue;
    loop.seal(due.size());
    const auto done = static_cast<double>(now_ns() - began);
    for (const double arrived : due) latencies.push_back(done - arrived);
  }
  std::sort(latencies.begin(), latencies.end());
  return latencies;
}

double wire_bits(const CipherSuite& suite, uint32_t payload, double records_per_second, const Wire& wire) {
  const double bytes = record_length(suite, payload) + suite.tag_bytes;
  return bytes * 8 * records_per_second / wire.stream_share();
}

double cores_for(double link_bits, double wire_bits_of_a_core) {
  return wire_bits_of_a_core <= 0 ? 0 : link_bits / wire_bits_of_a_core;
}

}  // namespace sluice::bench
