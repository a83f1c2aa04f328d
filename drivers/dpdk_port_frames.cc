// Frames out: a head with our bytes, payload behind it from where it lies or copied; cut into what the wire takes, with
// sums, where the device does neither.
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include <algorithm>
#include <cstring>

#include "dataplane/netstack/inet_checksum.h"
#include "drivers/dpdk_port_queue.h"

namespace sluice {
namespace {

constexpr size_t kLittle = 256;
constexpr size_t kTcpSequence = 4, kTcpFlags = 13, kTcpSum = 16;
constexpr uint8_t kFin = 1, kPsh = 8, kCwr = 128;

void store_be16(uint8_t* at, size_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

size_t read_be16(const uint8_t* at) { return size_t{at[0]} << 8 | at[1]; }

// RFC 1624: a header of which one word changes.
void change_be16(uint8_t* at, size_t value, uint8_t* sum) {
  const size_t changed = (read_be16(sum) ^ 0xffff) + (read_be16(at) ^ 0xffff) + value;
  const size_t once = (changed >> 16) + (changed & 0xffff);
  store_be16(sum, ~((once >> 16) + once));
  store_be16(at, value);
}

}  // namespace

rte_mbuf* DpdkPortQueue::head(const OutFrame& frame, size_t payload) {
  rte_mbuf* first = rte_pktmbuf_alloc(send_pool_);
  if (first == nullptr) return nullptr;
  auto* const place = reinterpret_cast<uint8_t*>(rte_pktmbuf_append(first, static_cast<uint16_t>(frame.header.size())));
  std::memcpy(place, frame.header.data(), frame.header.size());
  if (!frame.tcp || !port_.abilities().send_checksum) return first;
  first->l2_len = frame.network_at & 0x7fu;
  first->l3_len = static_cast<uint64_t>(frame.transport_at - frame.network_at) & 0x1ff;
  first->l4_len = static_cast<uint64_t>(frame.header.size() - frame.transport_at) & 0xff;
  first->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM | (frame.v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4);
  if (frame.segment_size > 0 && payload > frame.segment_size) {
    first->ol_flags |= RTE_MBUF_F_TX_TCP_SEG | (frame.v6 ? 0 : RTE_MBUF_F_TX_IP_CKSUM);
    first->tso_segsz = frame.segment_size;
  }
  return first;
}

bool DpdkPortQueue::append_copy(rte_mbuf*& last, rte_mbuf* first, const OutFrame& frame, Cursor& at, size_t n) {
  while (n > 0) {
    const Bytes piece = frame.payload[at.piece].subspan(at.offset);
    size_t part = std::min(piece.size(), n);
    if (rte_pktmbuf_tailroom(last) == 0) {
      rte_mbuf* next = port_.abilities().many_parts ? rte_pktmbuf_alloc(send_pool_) : nullptr;
      if (next == nullptr) return false;
      last->next = next;
      last = next;
      ++first->nb_segs;
    }
    part = std::min<size_t>(part, rte_pktmbuf_tailroom(last));
    std::memcpy(rte_pktmbuf_mtod_offset(last, uint8_t*, last->data_len), piece.data(), part);
    last->data_len = static_cast<uint16_t>(last->data_len + part);
    first->pkt_len += static_cast<uint32_t>(part);
    counters_.copied.add(part);
    n -= part;
    at.offset += part;
    if (at.offset == frame.payload[at.piece].size()) at = {at.piece + 1, 0};
  }
  return true;
}

bool DpdkPortQueue::append_direct(rte_mbuf*& last, rte_mbuf* first, const OutFrame& frame, Cursor& at, size_t n,
                                  Lease& lease) {
  while (n > 0) {
    const Bytes piece = frame.payload[at.piece].subspan(at.offset);
    const size_t part = std::min({piece.size(), n, size_t{0xffff}});
    rte_mbuf* next = rte_pktmbuf_alloc(part_pool_);
    if (next == nullptr) return false;
    auto* const bytes = const_cast<uint8_t*>(piece.data());
    rte_mbuf_ext_refcnt_update(&lease.shared, 1);
    rte_pktmbuf_attach_extbuf(next, bytes, reinterpret_cast<rte_iova_t>(bytes), static_cast<uint16_t>(part),
                              &lease.shared);
    next->data_off = 0;
    next->data_len = static_cast<uint16_t>(part);
    last->next = next;
    last = next;
    ++first->nb_segs;
    first->pkt_len += static_cast<uint32_t>(part);
    counters_.direct.add(part);
    n -= part;
    at.offset += part;
    if (at.offset == frame.payload[at.piece].size()) at = {at.piece + 1, 0};
  }
  return true;
}

rte_mbuf* DpdkPortQueue::build(const OutFrame& frame, Cursor& at, size_t n, Lease* lease) {
  rte_mbuf* first = head(frame, n);
  if (first == nullptr) return nullptr;
  rte_mbuf* last = first;
  const bool whole =
      lease != nullptr ? append_direct(last, first, frame, at, n, *lease) : append_copy(last, first, frame, at, n);
  if (whole) return first;
  rte_pktmbuf_free(first);
  return nullptr;
}

// Of one of several frames that were cut: lengths, where it stands in the stream, flags that belong to the last alone.
void DpdkPortQueue::fit_headers(rte_mbuf* first, const OutFrame& frame, size_t before, size_t n, bool last) const {
  auto* const start = rte_pktmbuf_mtod(first, uint8_t*);
  uint8_t* const ip = start + frame.network_at;
  uint8_t* const tcp = start + frame.transport_at;
  const size_t content = frame.header.size() - frame.transport_at + n;
  if (frame.v6) {
    store_be16(ip + 4, content);
  } else {
    change_be16(ip + 2, frame.transport_at - frame.network_at + content, ip + 10);
  }
  store_be32(tcp + kTcpSequence, load_be32(tcp + kTcpSequence) + static_cast<uint32_t>(before));
  if (!last) tcp[kTcpFlags] = static_cast<uint8_t>(tcp[kTcpFlags] & ~(kFin | kPsh));
  if (before > 0) tcp[kTcpFlags] = static_cast<uint8_t>(tcp[kTcpFlags] & ~kCwr);
  // The sum of the pseudo header was without the length.
  const size_t sum = read_be16(tcp + kTcpSum) + content;
  store_be16(tcp + kTcpSum, (sum >> 16) + (sum & 0xffff));
}

void DpdkPortQueue::finish_sum(rte_mbuf* first, const OutFrame& frame) const {
  auto* const start = rte_pktmbuf_mtod(first, uint8_t*);
  InetChecksum sum;
  // The field holds the pseudo header's sum, so it takes part.
  sum.add({start + frame.transport_at, size_t{first->data_len} - frame.transport_at});
  for (const rte_mbuf* part = first->next; part != nullptr; part = part->next) {
    sum.add({rte_pktmbuf_mtod(part, const uint8_t*), part->data_len});
  }
  store_be16(start + frame.transport_at + kTcpSum, sum.value());
}

bool DpdkPortQueue::send(const OutFrame& frame) {
  size_t left = 0;
  for (const Bytes& piece : frame.payload) left += piece.size();
  const PortAbilities& can = port_.abilities();
  const bool cut_here = frame.segment_size > 0 && left > frame.segment_size && !can.cut;
  const size_t each = cut_here ? frame.segment_size : left;
  const size_t frames = each == 0 ? 1 : (left + each - 1) / each;
  if (end_ - begin_ + frames > kMostUnsent) {
    flush();
    if (end_ - begin_ + frames > kMostUnsent) return false;
  }
  Lease* lease = nullptr;
  // A little is copied sooner than lent, where the owner waits for no frame that is told of later.
  const bool little = left <= kLittle && free_leases_.size() == kLeases;
  const bool lies = left > 0 && can.any_memory && frame.owner != nullptr && !little;
  // A copy would be told of at once, before frames of the same owner that went earlier.
  if (lies && free_leases_.empty()) return false;
  if (lies) {
    lease = free_leases_.back();
    free_leases_.pop_back();
    lease->queue = this;
    // Told when the last part has left, and not at all where it comes to nothing.
    lease->owner = nullptr;
    lease->shared.free_cb = lease_over;
    lease->shared.fcb_opaque = lease;
    rte_mbuf_ext_refcnt_set(&lease->shared, 1);
  }
  std::array<rte_mbuf*, kMostUnsent> built;
  Cursor at;
  size_t done = 0, n = 0;
  do {
    const size_t part = std::min(each, left - done);
    rte_mbuf* made = build(frame, at, part, lease);
    if (made == nullptr) break;
    built[n++] = made;
    if (frame.tcp && frame.segment_size > 0 && (cut_here || left <= frame.segment_size)) {
      fit_headers(made, frame, done, part, done + part == left);
    }
    if (frame.tcp && !can.send_checksum) finish_sum(made, frame);
    done += part;
  } while (done < left);
  const bool whole = done == left && n > 0;
  if (cut_here && whole) counters_.cut.add(n);
  if (whole && lease != nullptr) lease->owner = frame.owner;
  for (size_t i = 0; i < n; ++i) whole ? push(built[i]) : rte_pktmbuf_free(built[i]);
  // Ours; the parts have theirs.
  if (lease != nullptr && rte_mbuf_ext_refcnt_update(&lease->shared, -1) == 0) lease_over(nullptr, lease);
  // A copy is made: its owner has nothing to wait for.
  if (whole && lease == nullptr && frame.owner != nullptr && left > 0) frame.owner->frame_left();
  return whole;
}

}  // namespace sluice
