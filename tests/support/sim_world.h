// A simulated device in virtual time in front of software, with a dispatch and one session joined in memory.
#pragma once

#include "drivers/sim_driver.h"
#include "tests/support/record_pair.h"

namespace sluice::test {

struct SimWorldOptions {
  std::string device = "qat-gen4,latency=10us";
  OffloadPolicy policy = OffloadPolicy::hardware;
  uint32_t pays_from_bytes = 0;
  uint32_t verify_one_in = 0;
  uint32_t verify_first = 0;
  SimFaults faults{};
};

class SimWorld {
 public:
  explicit SimWorld(const char* suite, const SimWorldOptions& options = {});

  // n messages of that size, waiting for room as needed; returns what was sent.
  void send(size_t n, size_t size);
  // A turn of both sides, then time passes.
  void turn(uint64_t ns = 2000);
  // Until everything sent was received, for so much virtual time at most.
  bool settle(uint64_t most_ns = 2'000'000'000);
  bool received_all() { return pair->received() == sent; }

  SimDevice& device() { return *device_; }
  const DriverCounters& counters() const { return pair->dispatch.counters(0); }
  const SuiteCounters& on_device() const { return counters().suite(suite->id); }
  const DeviceWatch& watch() const { return *pair->dispatch.watch(0); }
  uint64_t by_device() const { return pair->dispatch.taken_by(0); }
  uint64_t by_software() const;

  const CipherSuite* suite;
  ManualClock clock;
  std::unique_ptr<RecordPair> pair;
  std::vector<std::vector<uint8_t>> sent;

 private:
  SimDevice* device_ = nullptr;
};

// Log lines while it lives.
class LogCapture {
 public:
  LogCapture();
  ~LogCapture();
  size_t count(std::string_view part) const;

 private:
  std::vector<std::string> lines_;
};

}  // namespace sluice::test
