// Blocks of memory for records that cannot stay where they were received or read: those that span pieces, and the
// second place that asynchronous drivers need.
//
// All memory is one mapping, made once and registrable with a device as a whole. An empty pool is back-pressure.
#pragma once

#include <array>
#include <vector>

#include "base/bytes.h"
#include "crypto_offload/cipher_suite.h"

namespace sluice {

// Before the record: the sequence number of an HMAC job, and room to keep blocks aligned to cache lines.
inline constexpr size_t kBlockHeadroom = 64;

struct RecordPoolSize {
  size_t normal = 256;  // records up to what we ourselves emit
  size_t large = 4;     // what a peer may send beyond it, up to 256 KiB

  // As many as so much memory has room for.
  static RecordPoolSize within(size_t bytes);
};

class RecordPool {
 public:
  explicit RecordPool(const RecordPoolSize& size = {});
  ~RecordPool();
  RecordPool(const RecordPool&) = delete;
  RecordPool& operator=(const RecordPool&) = delete;

  // The start of a record of that many bytes, tag included, with kBlockHeadroom before it. Null when empty.
  uint8_t* take(size_t record_bytes);
  void give(uint8_t* record);
  // All of it, for CryptoDriver::register_memory().
  MutableBytes memory() const { return {memory_, size_}; }
  size_t available(size_t record_bytes) const { return class_of(record_bytes).free.size(); }

 private:
  struct Class {
    size_t stride = 0;
    uint8_t* begin = nullptr;
    uint8_t* end = nullptr;
    std::vector<uint8_t*> free;
  };
  Class& class_of(size_t record_bytes);
  const Class& class_of(size_t record_bytes) const;

  uint8_t* memory_ = nullptr;
  size_t size_ = 0;
  std::array<Class, 2> classes_;
};

}  // namespace sluice
