// The openssl driver with an ENGINE: a device like others, whose work runs as libcrypto's ASYNC_JOBs.
//
// Each record under way has a key's contexts, a stack and a place for its result to itself: so an engine that never
// answers can be left alone with them, and the record be done by somebody else.
#pragma once

#include <array>
#include <atomic>
#include <memory>

#include "drivers/openssl_driver.h"

namespace sluice {

class EngineDriver final : public CryptoDriver {
 public:
  explicit EngineDriver(std::shared_ptr<OpenSslEngine> engine);
  ~EngineDriver() override;

  std::string_view name() const override { return name_; }
  DriverKind kind() const override { return DriverKind::hardware; }
  Placement placement() const override { return Placement::separate; }
  Support supports(const CipherSuite& suite) const override;
  ResultOrText<std::unique_ptr<PreparedKey>> prepare(const CipherSuite& suite, Direction direction,
                                                     const KeyMaterial& keys) override;
  std::unique_ptr<CryptoDriver> sibling() const override { return std::make_unique<EngineDriver>(engine_); }
  size_t submit(std::span<CryptoOp* const> ops) override;
  size_t poll(std::span<CryptoOp*> done) override;
  // What pauses is abandoned with its stack, contexts and place, where a device may still write.
  bool stop() override;
  void read_lengths(std::span<LengthQuestion> questions) override;

  // Records under way at once; of one key fewer, since each has contexts of its own.
  static constexpr size_t kFlights = 32;
  static constexpr size_t kFlightsOfKey = 8;

 private:
  struct Flight;
  struct Key;

  void begin(Flight& flight, CryptoOp& op, size_t slot);
  bool take_in_software(CryptoOp& op);
  // True when it is over.
  bool go_on(Flight& flight);
  void resume_answered();
  void finish(Flight& flight);
  void tell_first_failure();

  std::shared_ptr<OpenSslEngine> engine_;
  std::string name_;
  std::array<std::unique_ptr<Flight>, kFlights> flights_;
  size_t paused_ = 0;
  bool told_ = false;
  DoneQueue done_;
  OpenSslDriver software_;
};

}  // namespace sluice
