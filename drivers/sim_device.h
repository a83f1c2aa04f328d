// A simulated asynchronous crypto device: a queue, a clock, a thread that does the crypto, and a schedule of faults.
//
// One worker's thread calls everything here; the device's own thread computes results straight into dst, at any time
// between submit and completion or stop, as DMA does. When an op completes, and with which fault, depends on the clock,
// the order of ops and the seed alone.
#pragma once

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "base/random.h"
#include "base/ring.h"
#include "drivers/sim_profile.h"

namespace sluice {

inline constexpr size_t kMostSimDepth = 4096;

// What was injected, for tests to compare with what was noticed.
struct SimTally {
  uint64_t errors = 0, wrong_seals = 0, false_bad_tags = 0, wrong_opens = 0, lost_ops = 0;
  uint64_t refusals = 0, stalls = 0, losses = 0, stops = 0, late_writes = 0;
};

class SimDevice {
 public:
  // Its thread owns submit() and poll() of `computes`.
  SimDevice(std::unique_ptr<CryptoDriver> computes, const SimOptions& options);
  ~SimDevice();

  CryptoDriver& computes() { return *computes_; }
  // A burst: open it, put ops (key: `computes`' own), ring the doorbell, which wakes the thread once for all of them.
  bool open_burst();
  bool put(CryptoOp& op, PreparedKey& key);
  void ring_doorbell();
  size_t take(std::span<CryptoOp*> done);

  bool lost();
  bool stop();
  bool start();

  // For tests and benchmarks: an outage that begins now.
  enum class Outage : uint8_t { none, stalled, lost };
  void break_for(Outage outage, uint64_t ns);
  // When the next op completes; 0 when none will.
  uint64_t next_due_ns() const;
  const SimTally& tally() const { return tally_; }

 private:
  enum class Fault : uint8_t { none, error, wrong_seal, false_bad_tag, wrong_open, lost_op };
  struct Job {
    CryptoOp work;  // the device's own copy, with its own key
    CryptoOp* op = nullptr;
    uint64_t due_ns = 0;
    uint64_t order = 0;
    Fault fault = Fault::none;
    uint32_t dice = 0;
    std::atomic<bool> computed{false};
  };

  uint64_t now_ns() const { return clock_->now_ns(); }
  Fault draw_fault(const CryptoOp& op);
  void draw_outage();
  void pass_outage(uint64_t now_ns);
  void wait_for(const Job& job);
  void complete(Job& job);
  void corrupt(Job& job);
  void run();
  void compute(std::span<Job*> jobs);
  static bool later(const Job* a, const Job* b);

  std::unique_ptr<CryptoDriver> computes_;
  const SimOptions options_;
  const Clock* clock_;
  const bool virtual_time_;
  CheapRandom random_;
  SimTally tally_;

  std::vector<std::unique_ptr<Job>> jobs_;
  std::vector<Job*> free_;
  std::vector<Job*> queue_;  // a heap, the next one to complete on top
  uint64_t order_ = 0;
  uint64_t busy_until_ns_ = 0;
  uint64_t burst_ns_ = 0;
  uint32_t unrung_ = 0;

  Outage outage_ = Outage::none;
  uint64_t outage_until_ns_ = 0;
  bool running_ = true;
  uint64_t stopped_at_ns_ = 0;  // 0: nobody has asked for a stop

  Ring<Job*, kMostSimDepth> to_compute_;
  std::atomic<uint32_t> submitted_{0};
  std::atomic<uint32_t> bursts_done_{0};
  std::atomic<bool> quit_{false};
  std::thread thread_;
};

}  // namespace sluice
