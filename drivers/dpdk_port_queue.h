// DpdkPortQueue: bursts of one queue pair, both ways; cutting and sums where the device does not do them.
#pragma once

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <array>
#include <vector>

#include "base/counter.h"
#include "drivers/dpdk_port.h"

namespace sluice {

struct PortQueueCounters {
  Counter copied;      // bytes of payload that the device could not take from where they lay
  Counter direct;      // and those that it took
  Counter gathered;    // frames that came in several buffers
  Counter steered;     // frames that came to another's queue
  Counter steer_lost;  // for which that one had no room
  Counter refused;     // frames that the device does not take
  Counter cut;         // frames that were parts of a larger one
};

class DpdkPortQueue final : public PortQueue {
 public:
  static ResultOrText<std::unique_ptr<DpdkPortQueue>> make(DpdkPort& port, uint16_t number, size_t frame_size,
                                                           int socket);
  ~DpdkPortQueue() override;

  rte_mempool* receive_pool() { return receive_pool_; }
  // After the port has started.
  void find_interrupts();
  const PortQueueCounters& counters() const { return counters_; }
  // By another queue's thread: false where there is no room.
  bool hand_over(rte_mbuf* frame) { return rte_ring_mp_enqueue(steered_, frame) == 0; }
  void hand_copy(Bytes frame);

  bool send(const OutFrame& frame) override;
  size_t receive(FrameReceiver& receiver, size_t most) override;
  void flush() override;
  bool has_unsent() const override { return end_ > begin_; }
  void drop_unsent() override;
  bool has_steered() const override;
  int descriptor() const override { return descriptor_; }
  bool arm() override;
  void disarm() override;

 private:
  static constexpr size_t kBurst = 64;
  // Frames that wait for room in the device.
  static constexpr size_t kMostUnsent = 512;
  // So many that are not longer than that are sent before the turn's end.
  static constexpr size_t kMostSmall = 16;
  static constexpr size_t kSmallBytes = 256;
  static constexpr size_t kLeases = 4096;
  static constexpr size_t kMostParts = 20;

  // Payload that frames on their way refer to.
  struct Lease {
    rte_mbuf_ext_shared_info shared;
    FrameOwner* owner;
    DpdkPortQueue* queue;
  };
  // A part of a frame's payload, by piece and offset.
  struct Cursor {
    size_t piece = 0;
    size_t offset = 0;
  };

  DpdkPortQueue(DpdkPort& port, uint16_t number) : port_(port), number_(number) {}
  static void lease_over(void* address, void* lease);
  void deliver(rte_mbuf* frame, FrameReceiver& receiver);
  rte_mbuf* head(const OutFrame& frame, size_t payload);
  bool append_copy(rte_mbuf*& last, rte_mbuf* first, const OutFrame& frame, Cursor& at, size_t n);
  bool append_direct(rte_mbuf*& last, rte_mbuf* first, const OutFrame& frame, Cursor& at, size_t n, Lease& lease);
  // One frame of `n` bytes of payload from `at` on.
  rte_mbuf* build(const OutFrame& frame, Cursor& at, size_t n, Lease* lease);
  void fit_headers(rte_mbuf* first, const OutFrame& frame, size_t before, size_t n, bool last) const;
  void finish_sum(rte_mbuf* first, const OutFrame& frame) const;
  void capture(const rte_mbuf* frame);
  void push(rte_mbuf* frame);
  bool prepare(rte_mbuf** frames, uint16_t& n);

  DpdkPort& port_;
  uint16_t number_;
  rte_mempool* receive_pool_ = nullptr;
  rte_mempool* send_pool_ = nullptr;  // headers, and payload that is copied
  rte_mempool* part_pool_ = nullptr;  // buffers without memory, for payload where it lies
  rte_ring* steered_ = nullptr;
  std::vector<Lease> leases_;
  std::vector<Lease*> free_leases_;
  std::array<rte_mbuf*, kMostUnsent> unsent_{};
  size_t begin_ = 0;  // positions grow; modulo the size is the place
  size_t end_ = 0;
  size_t small_ = 0;  // of those that wait
  std::vector<uint8_t> gathered_;
  int descriptor_ = -1;
  PortQueueCounters counters_;
};

}  // namespace sluice
