// Receiving, steering, sending; frames built from headers and payload where it lies.
#include "drivers/dpdk_port_queue.h"

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_malloc.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace sluice {
namespace {

// All that a device's rings hold, what waits, and what a burst needs.
constexpr unsigned kReceiveBuffers = 4095;
constexpr unsigned kSendBuffers = 4095;
constexpr unsigned kParts = 8191;
constexpr unsigned kCache = 128;
constexpr unsigned kSteered = 1024;
constexpr unsigned kLeastRoom = 2048;
constexpr unsigned kMostRoom = 9216 + 512;

std::string pool_name(const char* what, uint16_t port, uint16_t queue) {
  return "sluice-" + std::string(what) + "-" + std::to_string(port) + "-" + std::to_string(queue);
}

}  // namespace

ResultOrText<std::unique_ptr<DpdkPortQueue>> DpdkPortQueue::make(DpdkPort& port, uint16_t number, size_t frame_size,
                                                                 int socket) {
  auto queue = std::unique_ptr<DpdkPortQueue>(new DpdkPortQueue(port, number));
  const size_t room = std::clamp<size_t>(frame_size, kLeastRoom, kMostRoom) + RTE_PKTMBUF_HEADROOM;
  const auto pool = [&](const char* what, unsigned n, size_t size) {
    return rte_pktmbuf_pool_create(pool_name(what, port.id(), number).c_str(), n, kCache, 0,
                                   static_cast<uint16_t>(size), socket);
  };
  queue->receive_pool_ = pool("rx", kReceiveBuffers, room);
  // Payload from where it lies wants headers only; copies want room.
  queue->send_pool_ = pool("tx", kSendBuffers, port.abilities().any_memory ? kLeastRoom + RTE_PKTMBUF_HEADROOM : room);
  queue->part_pool_ = pool("parts", kParts, 0);
  queue->steered_ = rte_ring_create(pool_name("steer", port.id(), number).c_str(), kSteered, socket, RING_F_SC_DEQ);
  if (!queue->receive_pool_ || !queue->send_pool_ || !queue->part_pool_ || !queue->steered_) {
    return fail("no memory for its buffers (" + std::string(rte_strerror(rte_errno)) +
                "): give DPDK more with -m MEGABYTES in the EAL arguments");
  }
  queue->leases_.resize(kLeases);
  for (Lease& lease : queue->leases_) queue->free_leases_.push_back(&lease);
  return queue;
}

void DpdkPortQueue::drop_unsent() {
  for (; begin_ < end_; ++begin_) rte_pktmbuf_free(unsent_[begin_ % kMostUnsent]);
}

DpdkPortQueue::~DpdkPortQueue() {
  drop_unsent();
  void* frame = nullptr;
  while (steered_ != nullptr && rte_ring_sc_dequeue(steered_, &frame) == 0) {
    rte_pktmbuf_free(static_cast<rte_mbuf*>(frame));
  }
  // Pools stay: the device may still hold buffers of theirs until it is closed, and the process ends soon.
}

bool DpdkPortQueue::has_steered() const { return rte_ring_empty(steered_) == 0; }

void DpdkPortQueue::find_interrupts() { descriptor_ = rte_eth_dev_rx_intr_ctl_q_get_fd(port_.id(), number_); }

bool DpdkPortQueue::arm() {
  if (descriptor_ >= 0 && rte_eth_dev_rx_intr_enable(port_.id(), number_) == 0) return true;
  descriptor_ = -1;
  return false;
}

void DpdkPortQueue::disarm() {
  if (descriptor_ >= 0) rte_eth_dev_rx_intr_disable(port_.id(), number_);
}

size_t DpdkPortQueue::receive(FrameReceiver& receiver, size_t most) {
  std::array<rte_mbuf*, kBurst> frames;
  if (port_.gate() != nullptr && !port_.gate()->enter()) return 0;
  const auto wanted = static_cast<uint16_t>(std::min(most, kBurst));
  const uint16_t n = rte_eth_rx_burst(port_.id(), number_, frames.data(), wanted);
  for (uint16_t i = 0; i < n; ++i) {
    rte_mbuf* const frame = frames[i];
    if (i + 1 < n) rte_prefetch0(rte_pktmbuf_mtod(frames[i + 1], void*));
    const Bytes first(rte_pktmbuf_mtod(frame, const uint8_t*), frame->data_len);
    if (FrameCapture* file = port_.capture(); file != nullptr) capture(frame);
    if (DpdkPortQueue* owner = port_.owner_of(first, this)) {
      counters_.steered.add();
      if (!owner->hand_over(frame)) {
        counters_.steer_lost.add();
        rte_pktmbuf_free(frame);
      }
      continue;
    }
    port_.tell_others(first, this);
    deliver(frame, receiver);
  }
  size_t steered = 0;
  for (void* frame = nullptr; steered < kBurst && rte_ring_sc_dequeue(steered_, &frame) == 0; ++steered) {
    deliver(static_cast<rte_mbuf*>(frame), receiver);
  }
  return n + steered;
}

void DpdkPortQueue::hand_copy(Bytes frame) {
  rte_mbuf* copy = rte_pktmbuf_alloc(receive_pool_);
  if (copy == nullptr) return;
  char* place = rte_pktmbuf_append(copy, static_cast<uint16_t>(frame.size()));
  if (place != nullptr) std::memcpy(place, frame.data(), frame.size());
  if (place == nullptr || !hand_over(copy)) rte_pktmbuf_free(copy);
}

void DpdkPortQueue::deliver(rte_mbuf* frame, FrameReceiver& receiver) {
  // What a guest on this host sends has no sum yet, and needs none.
  const uint64_t sum = frame->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
  const bool ip_bad = (frame->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_BAD;
  const FrameFacts facts{!ip_bad && port_.abilities().receive_checksum &&
                         (sum == RTE_MBUF_F_RX_L4_CKSUM_GOOD || sum == RTE_MBUF_F_RX_L4_CKSUM_NONE)};
  const MutableBytes first(rte_pktmbuf_mtod(frame, uint8_t*), frame->data_len);
  if (frame->next == nullptr) {
    receiver.on_frame(first, {}, facts);
    return rte_pktmbuf_free_seg(frame);
  }
  std::array<Bytes, kMostParts * 4> more;
  size_t n = 0;
  const rte_mbuf* part = frame->next;
  for (; part != nullptr && n < more.size(); part = part->next) {
    more[n++] = {rte_pktmbuf_mtod(part, const uint8_t*), part->data_len};
  }
  counters_.gathered.add();
  if (part == nullptr) receiver.on_frame(first, {more.data(), n}, facts);
  rte_pktmbuf_free(frame);
}

void DpdkPortQueue::lease_over(void*, void* opaque) {
  auto* const lease = static_cast<Lease*>(opaque);
  lease->queue->free_leases_.push_back(lease);
  if (FrameOwner* owner = std::exchange(lease->owner, nullptr)) owner->frame_left();
}

void DpdkPortQueue::push(rte_mbuf* frame) {
  if (port_.capture() != nullptr) capture(frame);
  unsent_[end_++ % kMostUnsent] = frame;
  // Questions and answers: their peer works at them while the next ones are made. Of a stream nobody waits for a part.
  if (frame->pkt_len <= kSmallBytes && ++small_ == kMostSmall) flush();
}

// What a driver wants of frames whose sums and cuts are the device's. May be done again to the same frames. False: it
// does not take the first one at all; otherwise `n` are ready.
bool DpdkPortQueue::prepare(rte_mbuf** frames, uint16_t& n) {
  n = rte_eth_tx_prepare(port_.id(), number_, frames, n);
  return n > 0;
}

void DpdkPortQueue::flush() {
  if (port_.gate() != nullptr && !port_.gate()->entered()) return;
  small_ = 0;
  while (begin_ < end_) {
    const size_t at = begin_ % kMostUnsent;
    auto n = static_cast<uint16_t>(std::min(end_ - begin_, kMostUnsent - at));
    if (port_.abilities().send_checksum && !prepare(&unsent_[at], n)) {
      rte_pktmbuf_free(unsent_[at]);
      counters_.refused.add();
      ++begin_;
      continue;
    }
    const uint16_t sent = rte_eth_tx_burst(port_.id(), number_, &unsent_[at], n);
    begin_ += sent;
    if (sent < n) return;
  }
}

void DpdkPortQueue::capture(const rte_mbuf* frame) {
  std::array<Bytes, kMostParts> pieces;
  size_t n = 0;
  for (; frame != nullptr && n < pieces.size(); frame = frame->next) {
    pieces[n++] = {rte_pktmbuf_mtod(frame, const uint8_t*), frame->data_len};
  }
  port_.capture()->write({pieces.data(), n});
}

}  // namespace sluice
