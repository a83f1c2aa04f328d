// Running single operations on a driver, outside of the data path.
#pragma once

#include <memory>
#include <vector>

#include "crypto_offload/key_epoch.h"
#include "drivers/reference_crypto.h"
#include "tests/support/drivers_under_test.h"

namespace sluice::test {

// Records that are worked on together, each in memory of its own with guard bytes around it.
class OpBench {
 public:
  OpBench(CryptoDriver& driver, const CipherSuite& suite, Direction direction, const ReferenceKeys& keys);

  // `bytes` is a record in clear (seal) or wire bytes with the tag (open), placed at `alignment` past a cache line.
  void add(Bytes bytes, uint32_t sequence, Bytes iv, size_t alignment);
  // Submits all that was added and polls until all are back.
  void run();

  size_t size() const { return items_.size(); }
  OpStatus status(size_t i) const { return items_[i]->op.status; }
  // Sealed: wire bytes with the tag. Opened: the record in clear.
  std::vector<uint8_t> result(size_t i) const;
  // The driver wrote nothing beside the record, its tag and its headroom, and left a separate source alone.
  bool kept_its_place(size_t i) const;
  void clear() { items_.clear(); }

 private:
  struct Item {
    CryptoOp op;
    std::vector<uint8_t> source;
    std::vector<uint8_t> target;
    std::vector<uint8_t> before;
    std::vector<uint8_t> received_tag;
    size_t at;
  };

  CryptoDriver& driver_;
  const CipherSuite& suite_;
  Direction direction_;
  std::unique_ptr<PreparedKey> key_;
  std::vector<std::unique_ptr<Item>> items_;
};

std::vector<uint8_t> seal_on(const DriverUnderTest& driver, const CipherSuite& suite, const ReferenceKeys& keys,
                             uint32_t sequence, Bytes iv, Bytes record);

}  // namespace sluice::test
