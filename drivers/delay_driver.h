// The delay driver: another driver made late, out of order and reluctant, so that no caller leans on a synchronous one.
//
// It takes a random prefix of what it is offered, keeps it for a random number of polls, and completes it in random
// order, all from one seed.
#pragma once

#include <memory>
#include <vector>

#include "base/random.h"
#include "crypto_offload/crypto_driver.h"

namespace sluice {

struct DelayOptions {
  uint64_t seed = 1;
  size_t depth = 64;              // ops that it holds at most
  unsigned finish_per_cent = 50;  // chance of a held op to be done at a poll
  Placement placement = Placement::separate;
};

class DelayDriver final : public CryptoDriver {
 public:
  DelayDriver(std::unique_ptr<CryptoDriver> inner, const DelayOptions& options);

  std::string_view name() const override { return name_; }
  bool negotiable() const override { return false; }
  Placement placement() const override { return options_.placement; }
  Support supports(const CipherSuite& suite) const override { return inner_->supports(suite); }
  ResultOrText<std::unique_ptr<PreparedKey>> prepare(const CipherSuite& suite, Direction direction,
                                                     const KeyMaterial& keys) override {
    return inner_->prepare(suite, direction, keys);
  }
  size_t submit(std::span<CryptoOp* const> ops) override;
  size_t poll(std::span<CryptoOp*> done) override;
  void read_lengths(std::span<LengthQuestion> questions) override { inner_->read_lengths(questions); }

 private:
  std::unique_ptr<CryptoDriver> inner_;
  DelayOptions options_;
  std::string name_;
  CheapRandom random_;
  std::vector<CryptoOp*> held_;
};

}  // namespace sluice
