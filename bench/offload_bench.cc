// offload_bench: what a crypto device saves the worker, and what its death costs the user.
//
//   cpu    CPU time of the worker's thread for each 32 KiB record sealed: on a simulated device of 100 Gb/s and 15 us,
//          policy hardware, beside the fastest software. The device lives in virtual time: while it works and nothing
//          else is to do, the worker sleeps, as a worker does between events.
//   dip    throughput, 5 ms at a time, while that device dies under load. Time is the worker's CPU time and what it
//          was idle, so that neither other work on the machine nor the speed of the device's thread are in the figure.
//
// Options: --json. All by default, or name one.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "dataplane/send_path.h"
#include "drivers/driver_registry.h"
#include "drivers/memory_transport.h"
#include "drivers/sim_driver.h"

namespace sluice::bench {
namespace {

constexpr uint32_t kPayload = 32768;
constexpr const char* kDevice = "qat-gen4,latency=15us,bandwidth=100g";
constexpr size_t kCpuRecords = 20'000;
constexpr uint64_t kBinNs = 5 * kMillisecond;
// What a worker sleeps when a turn brought nothing.
constexpr uint64_t kIdleNs = 5'000;
constexpr size_t kBinsBefore = 60;
constexpr size_t kBinsAfter = 140;
// Bins in a row at that share of software's speed: the dip is over. A single one could be luck.
constexpr size_t kSteadyBins = 3;
constexpr double kSteadyShare = 0.8;

uint64_t thread_cpu_ns() {
  timespec now;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

class WorkerClock final : public Clock {
 public:
  uint64_t now_ns() const override { return thread_cpu_ns() + idle_ns_; }
  void be_idle(uint64_t ns) { idle_ns_ += ns; }

 private:
  uint64_t idle_ns_ = 1;
};

std::unique_ptr<KeyEpoch> epoch_for(const CipherSuite& suite, const DriverSet& drivers) {
  std::array<uint8_t, kMaxKeyBytes> key;
  for (size_t i = 0; i < key.size(); ++i) key[i] = static_cast<uint8_t>(i * 7 + 1);
  const Bytes all(key);
  auto epoch = KeyEpoch::prepare(suite, Direction::seal,
                                 {all.first(suite.cipher->key_bytes), all.first(suite.cipher->iv_bytes),
                                  all.first(suite.mac ? suite.mac->key_bytes : 0)},
                                 drivers, 0);
  SLUICE_CHECK(epoch.has_value());
  return std::move(*epoch);
}

// A session that always has more to send than the worker can seal, to a peer that takes everything.
class Flow {
 public:
  Flow(const CipherSuite& suite, const DriverSet& drivers)
      : dispatch_(drivers), transport_(size_t{8} << 20), send_(transport_, pool_) {
    send_.install(epoch_for(suite, drivers));
    const auto draft = send_.reserve(1);
    SLUICE_CHECK(draft.has_value());
    draft->payload[0] = 21;
    send_.finish_newkeys(*draft, 1, true);
    send_.stage(dispatch_, 0, {});
    SLUICE_CHECK(send_.commit() == 1);
    transport_.discard_sent();
  }

  // Returns how many records left.
  size_t turn() {
    while (const auto draft = send_.reserve(kPayload)) {
      draft->payload[0] = 94;
      send_.finish(*draft, kPayload);
    }
    send_.stage(dispatch_, 0, {});
    dispatch_.submit();
    dispatch_.poll();
    const size_t n = send_.commit();
    SLUICE_CHECK(!send_.error());
    transport_.discard_sent();
    return n;
  }
  // Nothing may be in flight at the end.
  template <class F>
  void drain(F&& pass_time) {
    for (; send_.in_flight() > 0; pass_time()) dispatch_.submit(), dispatch_.poll();
  }
  const Dispatch& dispatch() const { return dispatch_; }

 private:
  RecordPool pool_;
  Dispatch dispatch_;
  MemoryTransport transport_;
  SendPath send_;
};

std::unique_ptr<DriverSet> drivers_with(std::unique_ptr<SimDriver> sim, OffloadPolicy policy, const Clock* clock) {
  std::vector<std::unique_ptr<CryptoDriver>> devices;
  if (sim) devices.push_back(std::move(sim));
  OffloadOptions options;
  options.policy = policy;
  options.pays_from_bytes = 0;
  if (clock) options.clock = clock;
  auto set = make_driver_set_with(std::move(devices), options);
  SLUICE_CHECK(set.has_value());
  return std::move(*set);
}

double software_cpu_ns(const CipherSuite& suite) {
  const auto drivers = drivers_with(nullptr, OffloadPolicy::software, nullptr);
  Flow flow(suite, *drivers);
  for (size_t warm = 0; warm < kCpuRecords / 10;) warm += flow.turn();
  const uint64_t began = thread_cpu_ns();
  size_t records = 0;
  while (records < kCpuRecords) records += flow.turn();
  const uint64_t cpu = thread_cpu_ns() - began;
  flow.drain([] {});
  return static_cast<double>(cpu) / static_cast<double>(records);
}

struct DeviceCost {
  double cpu_ns;
  double device_gbit;  // of virtual time
};

DeviceCost device_cpu_ns(const CipherSuite& suite) {
  ManualClock clock;
  auto options = parse_sim_options(kDevice);
  SLUICE_CHECK(options.has_value());
  options->virtual_clock = &clock;
  auto sim = make_sim_driver(*options);
  SimDevice& device = sim->device();
  const auto drivers = drivers_with(std::move(sim), OffloadPolicy::hardware, &clock);
  Flow flow(suite, *drivers);
  const auto run = [&](size_t wanted) {
    size_t records = 0;
    while (records < wanted) {
      const size_t n = flow.turn();
      records += n;
      // Nothing came back: on to the moment at which half of what the device has is done.
      const uint64_t due = device.next_due_ns();
      if (n == 0 && due > clock.now_ns()) clock.advance(due - clock.now_ns() + 40'000);
    }
    return records;
  };
  run(kCpuRecords / 10);
  const uint64_t began = thread_cpu_ns();
  const uint64_t virtual_began = clock.now_ns();
  const auto records = static_cast<double>(run(kCpuRecords));
  const auto cpu = static_cast<double>(thread_cpu_ns() - began);
  const auto virtual_ns = static_cast<double>(clock.now_ns() - virtual_began);
  SLUICE_CHECK(flow.dispatch().counters(0).outages.get() == 0);
  flow.drain([&] { clock.advance(100'000); });
  return {cpu / records, records * kPayload * 8 / virtual_ns};
}

bool measure_cpu(bool json) {
  bool met = true;
  for (const char* name : {"aes256-ctr+hmac-sha2-512", "aes256-ctr+hmac-sha2-256-etm", "aes128-gcm"}) {
    const CipherSuite& suite = *find_suite(name);
    const double software = software_cpu_ns(suite);
    const DeviceCost device = device_cpu_ns(suite);
    const double ratio = device.cpu_ns / software;
    // The target is the first one's: what a device is bought for.
    const bool target = suite.mac_kind() == MacKind::hmac_sha512;
    if (target) met = ratio <= 0.1;
    const char* format =
        json ? "{\"name\":\"cpu/%s/%u\",\"device_ns\":%.0f,\"software_ns\":%.0f,\"ratio\":%.4f,\"device_gbit\":%.1f}\n"
             : "cpu/%s/%u: %.0f ns of the worker on the device, %.0f ns in software, ratio %.3f (device at %.1f "
               "Gb/s)%s\n";
    std::printf(format, name, kPayload, device.cpu_ns, software, ratio, device.device_gbit,
                target ? (met ? ", target 0.1 met" : ", target 0.1 MISSED") : "");
  }
  return met;
}

double gbytes_per_second(size_t records) {
  return static_cast<double>(records) * kPayload / static_cast<double>(kBinNs);
}

double median(std::vector<size_t> bins) {
  std::sort(bins.begin(), bins.end());
  return static_cast<double>(bins[bins.size() / 2]);
}

bool measure_dip(bool json, SimDevice::Outage outage, OffloadPolicy policy) {
  const CipherSuite& suite = *find_suite("aes256-ctr+hmac-sha2-512");
  WorkerClock clock;
  auto options = parse_sim_options(kDevice);
  SLUICE_CHECK(options.has_value());
  options->virtual_clock = &clock;
  auto sim = make_sim_driver(*options);
  SimDevice& device = sim->device();
  const auto drivers = drivers_with(std::move(sim), policy, &clock);
  Flow flow(suite, *drivers);
  std::vector<size_t> bins(kBinsBefore + kBinsAfter, 0);
  const uint64_t began = clock.now_ns();
  bool dead = false;
  while (true) {
    const uint64_t bin = (clock.now_ns() - began) / kBinNs;
    if (bin >= bins.size()) break;
    if (!dead && bin >= kBinsBefore) {
      device.break_for(outage, 60'000 * kMillisecond);
      dead = true;
    }
    const size_t n = flow.turn();
    bins[bin] += n;
    if (n == 0) clock.be_idle(kIdleNs);
  }
  flow.drain([&] { clock.be_idle(kIdleNs); });
  const double before = median({bins.begin() + 10, bins.begin() + kBinsBefore});
  const double software = median({bins.end() - 60, bins.end()});
  size_t steady = 0;
  size_t over = kBinsBefore;
  for (; over < bins.size() && steady < kSteadyBins; ++over) {
    steady = static_cast<double>(bins[over]) >= kSteadyShare * software ? steady + 1 : 0;
  }
  const double dip_ms = static_cast<double>((over - steady - kBinsBefore) * kBinNs) / 1e6;
  const std::string name =
      std::string(outage == SimDevice::Outage::lost ? "lost" : "stalled") + "/" + std::string(policy_name(policy));
  if (json) {
    std::printf("{\"name\":\"dip/%s\",\"dip_ms\":%.0f,\"before_gbps\":%.2f,\"software_gbps\":%.2f}\n", name.c_str(),
                dip_ms, gbytes_per_second(static_cast<size_t>(before)),
                gbytes_per_second(static_cast<size_t>(software)));
    return dip_ms < 100;
  }
  std::printf("dip/%s: %.0f ms below %.1f of software's speed (%.2f GB/s; on the device %.2f)%s\n", name.c_str(),
              dip_ms, kSteadyShare, gbytes_per_second(static_cast<size_t>(software)),
              gbytes_per_second(static_cast<size_t>(before)), dip_ms < 100 ? ", target 100 ms met" : ", MISSED");
  std::printf("  GB/s every 5 ms from 20 ms before the death:");
  for (size_t i = kBinsBefore - 4; i < kBinsBefore + 20; ++i) std::printf(" %.2f", gbytes_per_second(bins[i]));
  std::printf("\n");
  return dip_ms < 100;
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  using namespace sluice;
  using namespace sluice::bench;
  bool json = false;
  std::string which;
  for (int i = 1; i < argc; ++i) (argv[i] == std::string("--json") ? json = true : (which = argv[i], true));
  set_log_level(LogLevel::error);
  bool met = true;
  if (which.empty() || which == "cpu") met = measure_cpu(json) && met;
  if (which.empty() || which == "dip") {
    for (const auto outage : {SimDevice::Outage::lost, SimDevice::Outage::stalled}) {
      for (const auto policy : {OffloadPolicy::hardware, OffloadPolicy::adaptive}) {
        met = measure_dip(json, outage, policy) && met;
      }
    }
  }
  return met ? 0 : 1;
}
