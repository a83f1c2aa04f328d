// The memory of the operations in flight on one queue pair: rte_crypto ops with two mbufs each, made once.
//
// An mbuf here is a description only: it is pointed at the record before every operation and owns no data. Behind each
// op lies what the device reads or writes beside the record, so that it is DPDK's memory whatever the record's is.
#pragma once

#include <rte_crypto.h>
#include <rte_mbuf.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "crypto_offload/cipher_suite.h"
#include "crypto_offload/crypto_op.h"

namespace sluice {

struct CryptodevSlot {
  std::array<uint8_t, 16> iv;   // a device may read all of it for a nonce of 12
  std::array<uint8_t, 16> aad;  // the length field, padded with zeros as some devices want it
  std::array<uint8_t, kMaxTagBytes> digest;
  CryptoOp* op;
  rte_mbuf* src;
  rte_mbuf* dst;
  uint8_t* bounce;  // null unless the record was copied to memory of DPDK's
};

inline constexpr uint16_t kSlotOffset = sizeof(rte_crypto_op) + sizeof(rte_crypto_sym_op);
inline constexpr uint16_t kIvOffset = kSlotOffset + offsetof(CryptodevSlot, iv);

inline CryptodevSlot& slot_of(rte_crypto_op* op) {
  return *reinterpret_cast<CryptodevSlot*>(reinterpret_cast<uint8_t*>(op) + kSlotOffset);
}
// rte_crypto_op ends in an array of length zero, which compilers take at its word.
inline rte_crypto_sym_op& sym_of(rte_crypto_op* op) { return *reinterpret_cast<rte_crypto_sym_op*>(op + 1); }
inline rte_iova_t iova_in(const rte_crypto_op* op, const void* p) {
  return op->phys_addr + static_cast<rte_iova_t>(static_cast<const uint8_t*>(p) - reinterpret_cast<const uint8_t*>(op));
}

// A place for a record that its device cannot reach where it lies.
struct BounceBlock {
  uint8_t* begin;
  rte_iova_t iova;
};

class CryptodevSlots {
 public:
  // `bounces`: blocks for copied records, with so much room before and behind the record.
  static ResultOrText<std::unique_ptr<CryptodevSlots>> make(size_t depth, size_t bounces, size_t headroom,
                                                            size_t tailroom, int numa_node);
  ~CryptodevSlots();
  CryptodevSlots(const CryptodevSlots&) = delete;
  CryptodevSlots& operator=(const CryptodevSlots&) = delete;

  size_t available() const { return free_.size(); }
  rte_crypto_op* take() {
    rte_crypto_op* op = free_.back();
    free_.pop_back();
    return op;
  }
  void give(rte_crypto_op* op) { free_.push_back(op); }

  bool can_bounce() const { return !blocks_.empty(); }
  size_t headroom() const { return headroom_; }
  BounceBlock take_block() {
    const BounceBlock block = blocks_.back();
    blocks_.pop_back();
    return block;
  }
  void give_block(const BounceBlock& block) { blocks_.push_back(block); }
  // The device may still write there: nothing of it is ever given back.
  static void abandon(std::unique_ptr<CryptodevSlots> slots) { (void)slots.release(); }

 private:
  CryptodevSlots() = default;
  std::string reserve_blocks(size_t bounces, size_t tailroom, int numa_node);

  rte_mempool* ops_ = nullptr;
  rte_mempool* mbufs_ = nullptr;
  size_t headroom_ = 0;
  std::vector<rte_crypto_op*> free_;
  std::vector<BounceBlock> blocks_;
  std::vector<const struct rte_memzone*> zones_;
};

}  // namespace sluice
