// The null driver: copies where it must and protects nothing. For tests and upper bounds; never negotiable.
#pragma once

#include "crypto_offload/crypto_driver.h"
#include "drivers/done_queue.h"

namespace sluice {

class NullDriver final : public CryptoDriver {
 public:
  std::string_view name() const override { return "null"; }
  bool negotiable() const override { return false; }
  Support supports(const CipherSuite& suite) const override;
  ResultOrText<std::unique_ptr<PreparedKey>> prepare(const CipherSuite& suite, Direction direction,
                                                     const KeyMaterial& keys) override;
  size_t submit(std::span<CryptoOp* const> ops) override;
  size_t poll(std::span<CryptoOp*> done) override { return done_.pop(done); }
  void read_lengths(std::span<LengthQuestion> questions) override;

 private:
  DoneQueue done_;
};

}  // namespace sluice
