// Asking a device what it can, choosing, starting it.
#include "drivers/dpdk_port.h"

#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_thash.h>

#include <time.h>

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "base/random.h"
#include "drivers/dpdk_port_queue.h"

namespace sluice {
namespace {

constexpr uint16_t kReceiveRing = 1024;
constexpr uint16_t kSendRing = 1024;
// Ethernet's header and trailer, and a tag that is none of ours.
constexpr size_t kFrameOverhead = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN + 4;

// Drivers of DPDK that are programs: they read a frame's bytes, wherever these are, before they say that it is sent.
constexpr std::string_view kReadAnyMemory[] = {"net_tap", "net_af_packet", "net_memif", "net_vhost", "net_pcap"};
// Whose sums and cuts are a copy in software that ours do without.
constexpr std::string_view kOnlySeemToOffload[] = {"net_tap", "net_af_packet"};

bool is_one_of(std::span<const std::string_view> names, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [&](std::string_view each) { return name == each; });
}

// The same for both directions of a connection: a key of two repeated bytes makes Toeplitz' hash symmetric.
std::array<uint8_t, 64> symmetric_key() {
  std::array<uint8_t, 64> key;
  for (size_t i = 0; i < key.size(); i += 2) {
    key[i] = 0x6d;
    key[i + 1] = 0x5a;
  }
  return key;
}

std::string failure(const std::string& what, int code) { return what + ": " + rte_strerror(code < 0 ? -code : code); }

// Of addresses and ports, which only come from the other side; others by what they are for: the first queue. Keyed:
// nobody can choose ports so that all that he sends meets one worker.
uint32_t flow_of(Bytes frame, const std::array<uint8_t, 40>& key) {
  if (frame.size() < RTE_ETHER_HDR_LEN + 20) return 0;
  const uint8_t* ip = frame.data() + RTE_ETHER_HDR_LEN;
  std::array<uint32_t, 9> flow{};
  const auto mix = [&](size_t at, size_t words) {
    for (size_t i = 0; i < words; ++i) flow[i] = load_be32(ip + at + i * 4);
  };
  size_t ports = 0;
  if (frame[12] == 0x08 && frame[13] == 0x00 && ip[9] == 6) {
    mix(12, 2);
    ports = size_t{ip[0] & 0xfu} * 4;
  } else if (frame[12] == 0x86 && frame[13] == 0xdd && ip[6] == 6 && frame.size() >= RTE_ETHER_HDR_LEN + 44) {
    mix(8, 8);
    ports = 40;
  } else {
    return 0;
  }
  if (frame.size() < RTE_ETHER_HDR_LEN + ports + 4) return 0;
  flow[8] = load_be32(ip + ports);
  return rte_softrss(flow.data(), flow.size(), key.data());
}

// Whoever speaks for the whole host: questions of ARP and NDP, ICMP. Every queue's user needs the answers.
bool concerns_all(Bytes frame) {
  if (frame.size() < RTE_ETHER_HDR_LEN + 20) return false;
  if (frame[12] == 0x08 && frame[13] == 0x06) return true;
  if (frame[12] == 0x08 && frame[13] == 0x00) return frame[RTE_ETHER_HDR_LEN + 9] == 1;
  return frame[12] == 0x86 && frame[13] == 0xdd && frame[RTE_ETHER_HDR_LEN + 6] == 58;
}

}  // namespace

ResultOrText<std::unique_ptr<DpdkPort>> DpdkPort::open(uint16_t id, const PortSettings& settings) {
  auto port = std::unique_ptr<DpdkPort>(new DpdkPort(id, settings));
  if (auto started = port->start(); !started) return fail(settings.device + ": " + started.error());
  return port;
}

DpdkPort::DpdkPort(uint16_t id, const PortSettings& settings) : id_(id), settings_(settings) {
  fill_random(steering_key_);
}

DpdkPort::~DpdkPort() {
  if (gate_) gate_->hold();
  rte_eth_dev_stop(id_);
  queues_.clear();
  rte_eth_dev_close(id_);
  if (gate_) {
    gate_->remove(id_);
    gate_->release();
  }
}

ResultOrText<void> DpdkPort::start() {
  rte_eth_dev_info info{};
  if (const int code = rte_eth_dev_info_get(id_, &info); code != 0) return fail(failure("no facts", code));
  driver_ = info.driver_name;
  if (!settings_.capture.empty()) {
    auto capture = FrameCapture::open(settings_.capture);
    if (!capture) return fail(capture.error());
    capture_ = std::move(*capture);
  }
  if (auto done = configure(info); !done) return done;
  if (auto done = set_up_queues(info); !done) return done;
  if (driver_ == "net_memif") {
    gate_ = MemifGate::of_process();
    if (!gate_) return fail(std::string("no place among DPDK's interrupts"));
    gate_->add(id_);
  }
  if (const int code = rte_eth_dev_start(id_); code != 0) return fail(failure("it does not start", code));
  if (driver_ == "net_memif" && settings_.device.find("role=server") == std::string::npos) meet_server();
  // Neighbours' questions for IPv6 go to groups. Not every device can tell them apart, then it passes them anyway.
  rte_eth_allmulticast_enable(id_);
  rte_ether_addr address{};
  if (const int code = rte_eth_macaddr_get(id_, &address); code != 0) return fail(failure("no address", code));
  std::copy_n(address.addr_bytes, mac_.size(), mac_.begin());
  // The kernel's end of a tap has the address that the driver says is ours: two stations on a link want two.
  if (driver_ == "net_tap") mac_.back() = static_cast<uint8_t>(mac_.back() ^ 1);
  rte_eth_dev_set_mtu(id_, static_cast<uint16_t>(mtu_));
  uint16_t mtu = 0;
  // A memif's driver knows of no MTU: its slots were made for ours.
  const bool tells = driver_ != "net_memif" && rte_eth_dev_get_mtu(id_, &mtu) == 0 && mtu > 0;
  if (tells) mtu_ = std::min<size_t>(mtu, settings_.mtu);
  if (mtu_ < settings_.mtu) {
    log_line(LogLevel::warning, settings_.device + " takes packets of " + std::to_string(mtu_) +
                                    " bytes at most: its MTU is that, not " + std::to_string(settings_.mtu));
  }
  // A vhost's descriptors are its guest's, who may come and go.
  if (abilities_.interrupts && driver_ != "net_vhost") {
    for (auto& queue : queues_) queue->find_interrupts();
  }
  return {};
}

// A memif's server that is still busy with whoever left, or has not started its own end, lets a client fall, and DPDK's
// client does not try again.
void DpdkPort::meet_server() {
  constexpr int kTries = 20, kLooks = 50;
  constexpr timespec kApart{0, 10'000'000};
  for (int i = 0; i < kTries; ++i) {
    for (int look = 0; look < kLooks && !link_up(); ++look) ::nanosleep(&kApart, nullptr);
    if (link_up()) return;
    gate_->hold();
    // It may have come up before it was held.
    const bool again = !link_up() && rte_eth_dev_stop(id_) == 0 && rte_eth_dev_start(id_) == 0;
    gate_->release();
    if (!again) return;
  }
}

ResultOrText<void> DpdkPort::configure(const rte_eth_dev_info& info) {
  const bool seems = is_one_of(kOnlySeemToOffload, driver_);
  const auto offers = [&](uint64_t receive) { return (info.rx_offload_capa & receive) == receive; };
  const auto sends = [&](uint64_t send) { return (info.tx_offload_capa & send) == send; };
  abilities_.many_parts = sends(RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
  abilities_.receive_checksum = !seems && offers(RTE_ETH_RX_OFFLOAD_TCP_CKSUM);
  abilities_.send_checksum = !seems && sends(RTE_ETH_TX_OFFLOAD_TCP_CKSUM);
  abilities_.cut = abilities_.send_checksum && abilities_.many_parts && sends(RTE_ETH_TX_OFFLOAD_TCP_TSO);
  abilities_.any_memory = abilities_.many_parts && is_one_of(kReadAnyMemory, driver_);
  mtu_ = settings_.mtu;
  if (info.max_mtu >= RTE_ETHER_MIN_MTU) mtu_ = std::min<size_t>(mtu_, info.max_mtu);

  rte_eth_conf conf{};
  // Some drivers say the usual size here and take larger ones all the same, when the port is there.
  const size_t most_now = info.max_rx_pktlen > kFrameOverhead ? info.max_rx_pktlen - kFrameOverhead : mtu_;
  conf.rxmode.mtu = static_cast<uint32_t>(std::min(mtu_, std::max<size_t>(most_now, RTE_ETHER_MTU)));
  for (const uint64_t want : {RTE_ETH_RX_OFFLOAD_SCATTER, RTE_ETH_RX_OFFLOAD_TCP_LRO}) {
    if (offers(want)) conf.rxmode.offloads |= want;
  }
  if (offers(RTE_ETH_RX_OFFLOAD_TCP_LRO)) conf.rxmode.max_lro_pkt_size = info.max_lro_pkt_size;
  if (abilities_.receive_checksum) conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
  if (abilities_.receive_checksum && offers(RTE_ETH_RX_OFFLOAD_IPV4_CKSUM))
    conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
  if (abilities_.many_parts) conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
  if (abilities_.send_checksum) conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
  if (abilities_.cut) conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_TCP_TSO;
  if (abilities_.cut && sends(RTE_ETH_TX_OFFLOAD_IPV4_CKSUM)) conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;

  // A memif's client decides how many rings there are, and has one: DPDK 22.11 reads a ring that is not there where the
  // first one lies.
  const size_t offered = driver_ == "net_memif" ? 1 : settings_.queues;
  const size_t most = std::min<size_t>({offered, info.max_rx_queues, info.max_tx_queues});
  if (most == 0) return fail(std::string("it has no queues"));
  const uint64_t wanted = RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP;
  auto key = symmetric_key();
  if (most > 1 && (info.flow_type_rss_offloads & wanted) == wanted && info.hash_key_size <= key.size() && !seems) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf = wanted;
    conf.rx_adv_conf.rss_conf.rss_key = key.data();
    conf.rx_adv_conf.rss_conf.rss_key_len = info.hash_key_size > 0 ? info.hash_key_size : 40;
    abilities_.spreads = true;
  }
  // What cannot be armed is looked at after naps.
  conf.intr_conf.rxq = 1;
  abilities_.interrupts = true;
  int code = rte_eth_dev_configure(id_, static_cast<uint16_t>(most), static_cast<uint16_t>(most), &conf);
  if (code != 0) {
    conf.intr_conf.rxq = 0;
    abilities_.interrupts = false;
    code = rte_eth_dev_configure(id_, static_cast<uint16_t>(most), static_cast<uint16_t>(most), &conf);
  }
  if (code != 0) return fail(failure("it cannot be configured", code));
  if (most < settings_.queues) {
    log_line(LogLevel::info, settings_.device + " has " + std::to_string(most) + " queue pairs for " +
                                 std::to_string(settings_.queues) + " workers: so many serve it");
  }
  settings_.queues = most;
  return {};
}

ResultOrText<void> DpdkPort::set_up_queues(const rte_eth_dev_info& info) {
  uint16_t receive = kReceiveRing, send = kSendRing;
  if (const int code = rte_eth_dev_adjust_nb_rx_tx_desc(id_, &receive, &send); code != 0) {
    return fail(failure("no rings", code));
  }
  const int socket = rte_eth_dev_socket_id(id_);
  for (size_t i = 0; i < settings_.queues; ++i) {
    const auto number = static_cast<uint16_t>(i);
    auto queue = DpdkPortQueue::make(*this, number, mtu_ + kFrameOverhead, socket);
    if (!queue) return fail(queue.error());
    rte_eth_rxconf receiving = info.default_rxconf;
    receiving.offloads = 0;
    const auto node = static_cast<unsigned>(socket);
    int code = rte_eth_rx_queue_setup(id_, number, receive, node, &receiving, (*queue)->receive_pool());
    if (code != 0) return fail(failure("no queue to receive", code));
    code = rte_eth_tx_queue_setup(id_, number, send, node, nullptr);
    if (code != 0) return fail(failure("no queue to send", code));
    queues_.push_back(std::move(*queue));
  }
  return {};
}

PortQueue& DpdkPort::queue(size_t n) { return *queues_[n]; }

DpdkPortQueue* DpdkPort::owner_of(Bytes frame, const DpdkPortQueue* received_by) {
  if (queues_.size() == 1 || abilities_.spreads || concerns_all(frame)) return nullptr;
  DpdkPortQueue* owner = queues_[flow_of(frame, steering_key_) % queues_.size()].get();
  return owner == received_by ? nullptr : owner;
}

void DpdkPort::tell_others(Bytes frame, const DpdkPortQueue* received_by) {
  if (queues_.size() == 1 || !concerns_all(frame)) return;
  for (auto& queue : queues_) {
    if (queue.get() != received_by) queue->hand_copy(frame);
  }
}

bool DpdkPort::link_up() const {
  rte_eth_link link{};
  return rte_eth_link_get_nowait(id_, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

std::string DpdkPort::about() const {
  std::array<char, RTE_ETHER_ADDR_FMT_SIZE> mac{};
  rte_ether_addr address{};
  std::copy(mac_.begin(), mac_.end(), address.addr_bytes);
  rte_ether_format_addr(mac.data(), mac.size(), &address);
  std::string out = settings_.device + " (" + driver_ + ", " + mac.data() + "): MTU " + std::to_string(mtu_) +
                    ", queue pairs " + std::to_string(queues_.size());
  const auto side = [&](bool device, const char* what) {
    out.append(", ").append(what).append(device ? " by the device" : " in software");
  };
  side(abilities_.receive_checksum, "checksums in");
  side(abilities_.send_checksum, "checksums out");
  side(abilities_.cut, "segmentation");
  if (queues_.size() > 1) side(abilities_.spreads, "spreading");
  out.append(abilities_.any_memory ? ", payload from where it lies" : ", payload copied");
  out.append(abilities_.interrupts && queues_.front()->descriptor() >= 0 ? ", sleeps till interrupted"
                                                                         : ", sleeps in naps");
  return out;
}

std::string DpdkPort::statistics() const {
  rte_eth_stats stats{};
  rte_eth_stats_get(id_, &stats);
  std::string out = "link " + std::string(link_up() ? "up" : "down");
  const auto tell = [&](const char* name, uint64_t value) {
    out.append(", ").append(name).append(" ").append(std::to_string(value));
  };
  tell("frames in", stats.ipackets);
  tell("bytes in", stats.ibytes);
  tell("frames out", stats.opackets);
  tell("bytes out", stats.obytes);
  tell("missed", stats.imissed);
  tell("errors in", stats.ierrors);
  tell("errors out", stats.oerrors);
  tell("without buffers", stats.rx_nombuf);
  const auto sum = [&](const char* name, Counter PortQueueCounters::*which) {
    uint64_t all = 0;
    for (const auto& queue : queues_) all += (queue->counters().*which).get();
    if (all > 0) tell(name, all);
  };
  sum("payload from where it lay", &PortQueueCounters::direct);
  sum("payload copied", &PortQueueCounters::copied);
  sum("frames in several buffers", &PortQueueCounters::gathered);
  sum("frames refused", &PortQueueCounters::refused);
  sum("frames cut here", &PortQueueCounters::cut);
  sum("frames for another queue", &PortQueueCounters::steered);
  sum("lost on the way there", &PortQueueCounters::steer_lost);
  return out;
}

}  // namespace sluice
