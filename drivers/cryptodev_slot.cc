// Pools of ops and mbufs, emptied once into a list of our own.
#include "drivers/cryptodev_slot.h"

#include <rte_errno.h>
#include <rte_mempool.h>
#include <rte_memzone.h>

#include <atomic>

namespace sluice {
namespace {

// A record, its sequence number and tag, with cache lines around it.
constexpr size_t kBlockBytes = 65536 + 256;

std::string unique_name(const char* what) {
  static std::atomic<unsigned> next{0};
  return "sluice_" + std::string(what) + std::to_string(next++);
}

}  // namespace

ResultOrText<std::unique_ptr<CryptodevSlots>> CryptodevSlots::make(size_t depth, size_t bounces, size_t headroom,
                                                                   size_t tailroom, int numa_node) {
  std::unique_ptr<CryptodevSlots> slots(new CryptodevSlots);
  const auto count = static_cast<unsigned>(depth);
  slots->headroom_ = headroom;
  slots->ops_ = rte_crypto_op_pool_create(unique_name("ops").c_str(), RTE_CRYPTO_OP_TYPE_SYMMETRIC, count, 0,
                                          sizeof(CryptodevSlot), numa_node);
  slots->mbufs_ = rte_pktmbuf_pool_create(unique_name("mbufs").c_str(), 2 * count, 0, 0, 0, numa_node);
  if (slots->ops_ == nullptr || slots->mbufs_ == nullptr) {
    return fail("DPDK has no memory for a queue: " + std::string(rte_strerror(rte_errno)));
  }
  slots->free_.resize(depth);
  if (rte_crypto_op_bulk_alloc(slots->ops_, RTE_CRYPTO_OP_TYPE_SYMMETRIC, slots->free_.data(),
                               static_cast<uint16_t>(depth)) != depth) {
    return fail("DPDK gave fewer operations than it had");
  }
  for (rte_crypto_op* op : slots->free_) {
    op->sess_type = RTE_CRYPTO_OP_WITH_SESSION;
    slot_of(op) = CryptodevSlot{};
    slot_of(op).src = rte_pktmbuf_alloc(slots->mbufs_);
    slot_of(op).dst = rte_pktmbuf_alloc(slots->mbufs_);
  }
  if (auto why = slots->reserve_blocks(bounces, tailroom, numa_node); !why.empty()) return fail(why);
  return slots;
}

std::string CryptodevSlots::reserve_blocks(size_t bounces, size_t tailroom, int numa_node) {
  const size_t size = headroom_ + kBlockBytes + tailroom;
  for (size_t i = 0; i < bounces; ++i) {
    const rte_memzone* zone = rte_memzone_reserve_aligned(unique_name("bounce").c_str(), size, numa_node,
                                                          RTE_MEMZONE_IOVA_CONTIG, RTE_CACHE_LINE_SIZE);
    if (zone == nullptr) return "DPDK has no memory to copy records to: " + std::string(rte_strerror(rte_errno));
    zones_.push_back(zone);
    blocks_.push_back({static_cast<uint8_t*>(zone->addr), zone->iova});
  }
  return {};
}

CryptodevSlots::~CryptodevSlots() {
  for (const rte_memzone* zone : zones_) rte_memzone_free(zone);
  rte_mempool_free(ops_);
  rte_mempool_free(mbufs_);
}

}  // namespace sluice
