// The sim driver: a simulated device behind the contract of crypto drivers, for tests, benchmarks and planning.
//
// What it seals is really sealed, so it may be asked for by name; no set of drivers has it by itself.
#pragma once

#include "drivers/sim_device.h"

namespace sluice {

class SimDriver final : public CryptoDriver {
 public:
  SimDriver(std::unique_ptr<CryptoDriver> computes, const SimOptions& options);

  std::string_view name() const override { return name_; }
  DriverKind kind() const override { return DriverKind::hardware; }
  Placement placement() const override { return Placement::separate; }
  Support supports(const CipherSuite& suite) const override;
  ResultOrText<std::unique_ptr<PreparedKey>> prepare(const CipherSuite& suite, Direction direction,
                                                     const KeyMaterial& keys) override;
  // In real time and without faults: the trial asks how long things take.
  std::unique_ptr<CryptoDriver> sibling() const override;
  size_t submit(std::span<CryptoOp* const> ops) override;
  size_t poll(std::span<CryptoOp*> done) override { return device_.take(done); }
  bool lost() const override { return device_.lost(); }
  bool stop() override { return device_.stop(); }
  bool start() override { return device_.start(); }
  void read_lengths(std::span<LengthQuestion> questions) override;

  SimDevice& device() { return device_; }

 private:
  std::string name_;
  SimOptions options_;
  // lost() looks at the clock and draws conclusions.
  mutable SimDevice device_;
};

// `text` as in parse_sim_options(). Computes with the fastest software there is.
ResultOrText<std::unique_ptr<SimDriver>> make_sim_driver(std::string_view text);
std::unique_ptr<SimDriver> make_sim_driver(const SimOptions& options);

}  // namespace sluice
