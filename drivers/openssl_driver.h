// The openssl driver: one record at a time by OpenSSL's EVP, on every CPU, for every suite, of every size.
#pragma once

#include <memory>
#include <string>

#include "crypto_offload/crypto_driver.h"
#include "drivers/done_queue.h"
#include "drivers/openssl_keys.h"

namespace sluice {

class OpenSslDriver final : public CryptoDriver {
 public:
  std::string_view name() const override { return "openssl"; }
  Support supports(const CipherSuite& suite) const override;
  ResultOrText<std::unique_ptr<PreparedKey>> prepare(const CipherSuite& suite, Direction direction,
                                                     const KeyMaterial& keys) override;
  std::unique_ptr<CryptoDriver> sibling() const override { return std::make_unique<OpenSslDriver>(); }
  size_t submit(std::span<CryptoOp* const> ops) override;
  size_t poll(std::span<CryptoOp*> done) override { return done_.pop(done); }
  void read_lengths(std::span<LengthQuestion> questions) override;

  // An op whose key is an OpenSslKey, at once.
  static void run_one(CryptoOp& op);

 private:
  static void run_gcm(CryptoOp& op, const OpenSslKey& key);
  static void run_chain(CryptoOp& op, const OpenSslKey& key);
  void run_chacha(std::span<CryptoOp* const> ops);
  static void compute_chacha(std::span<CryptoOp* const> ops);
  static void seal_chacha(CryptoOp& op, const uint8_t* once, const uint8_t* length_stream);
  static void open_chacha(CryptoOp& op, const uint8_t* once);
  static bool chacha_payload(CryptoOp& op, const OpenSslKey& key);

  DoneQueue done_;
};

// With an engine, as EngineSpec has it, ciphers are asked of that ENGINE; a suite whose cipher it lacks is not
// supported.
ResultOrText<std::unique_ptr<CryptoDriver>> make_openssl_driver(const std::string& engine_spec = {});

}  // namespace sluice
