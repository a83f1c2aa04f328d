// Records in memory that the device was told of, run through a driver again and again.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "crypto_offload/crypto_driver.h"
#include "dataplane/record_pool.h"
#include "drivers/reference_crypto.h"

namespace sluice::offload {

class Workload {
 public:
  // `records` ops with a payload of that size each, all under one key. Fails with the driver's reason.
  static ResultOrText<std::unique_ptr<Workload>> make(CryptoDriver& driver, const CipherSuite& suite,
                                                      Direction direction, uint32_t payload, size_t records);

  struct Rate {
    uint64_t records = 0;
    uint64_t failed = 0;
    double seconds = 0;
    double cycles = 0;  // of the time stamp counter; 0 where there is none
  };
  // Offers `batch` records at a time, as many times as fit into the time.
  Rate run(size_t batch, double seconds);
  // How long each record of many such batches took from submit to poll, in nanoseconds, sorted.
  std::vector<uint64_t> latencies(size_t batch, size_t records);

 private:
  Workload(CryptoDriver& driver, size_t records);
  size_t turn(size_t batch);
  void drain();

  CryptoDriver& driver_;
  std::unique_ptr<PreparedKey> key_;
  RecordPool pool_;
  std::vector<CryptoOp> ops_;
  std::vector<CryptoOp*> free_;
  std::vector<CryptoOp*> done_;
  uint64_t failed_ = 0;
};

uint64_t now_ns();

}  // namespace sluice::offload
