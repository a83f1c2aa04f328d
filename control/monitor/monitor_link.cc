// One receive, one poll and one send carry as many frames as have gathered.
#include "control/monitor/monitor_link.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/check.h"
#include "base/log.h"

namespace sluice {
namespace {

constexpr int kStopLookMs = 1000;
// Packets taken before completions and answers get their turn.
constexpr int kPacketsARound = 16;
// More than may come: what has no room the kernel would drop unseen.
constexpr size_t kControlRoom = 4;

Instant clock_now() { return std::chrono::duration_cast<Instant>(std::chrono::steady_clock::now().time_since_epoch()); }

}  // namespace

MonitorLink::MonitorLink(int descriptor) : descriptor_(descriptor), buffer_(kMaxMonitorPacket + 1) {
  const int flags = ::fcntl(descriptor_, F_GETFL);
  SLUICE_CHECK(flags >= 0 && ::fcntl(descriptor_, F_SETFL, flags | O_NONBLOCK) == 0);
}

MonitorLink::~MonitorLink() { ::close(descriptor_); }

std::pair<int, int> MonitorLink::make_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return {-1, -1};
  return {ends[0], ends[1]};
}

bool MonitorLink::flush(PacketQueue& packets) {
  while (!packets.empty()) {
    const Bytes packet = packets.front();
    iovec piece{const_cast<uint8_t*>(packet.data()), packet.size()};
    alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (const int descriptor = packets.front_descriptor(); descriptor >= 0) {
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof descriptor);
      std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    }
    const ssize_t n = ::sendmsg(descriptor_, &message, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS;
    packets.pop();
  }
  return true;
}

MonitorLink::Outcome MonitorLink::receive(Bytes& packet) {
  wipe(buffer_.data(), used_);
  used_ = 0;
  received_.reset();
  // One byte more than a packet may have, so that a longer one shows.
  iovec piece{buffer_.data(), buffer_.size()};
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int) * kControlRoom)];
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t n;
  do n = ::recvmsg(descriptor_, &message, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n < 0) return errno == EAGAIN ? Outcome::would_block : Outcome::ended;
  std::vector<UniqueFd> came;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const int* numbers = reinterpret_cast<const int*>(CMSG_DATA(header));
    for (size_t i = 0; i < (header->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) came.emplace_back(numbers[i]);
  }
  if (n == 0 || came.size() > 1 || (message.msg_flags & MSG_CTRUNC) != 0) return Outcome::ended;
  if (!came.empty()) received_ = std::move(came[0]);
  used_ = static_cast<size_t>(n);
  packet = Bytes(buffer_.data(), used_);
  return Outcome::packet;
}

bool run_monitor(Monitor& monitor, Completions& completions, MonitorLink& link, const std::atomic<bool>& stop,
                 const std::vector<MonitorWatch>& watches) {
  std::vector<pollfd> waits(2 + watches.size());
  while (!stop.load(std::memory_order_relaxed)) {
    if (!link.flush(monitor.output())) return true;
    const bool full = monitor.output().packets() > kMaxQueuedPackets;
    const auto events = static_cast<short>((full ? 0 : POLLIN) | (monitor.output().empty() ? 0 : POLLOUT));
    waits[0] = {link.descriptor(), events, 0};
    waits[1] = {completions.descriptor(), POLLIN, 0};
    for (size_t i = 0; i < watches.size(); ++i) waits[2 + i] = {watches[i].descriptor, POLLIN, 0};
    if (::poll(waits.data(), waits.size(), kStopLookMs) < 0 && errno != EINTR) return true;
    if (waits[1].revents != 0) completions.run();
    for (size_t i = 0; i < watches.size(); ++i)
      if (waits[2 + i].revents != 0) watches[i].readable();
    if ((waits[0].revents & (POLLERR | POLLHUP)) != 0 && (waits[0].revents & POLLIN) == 0) return true;
    for (int i = 0; i < kPacketsARound && (waits[0].revents & POLLIN) != 0 && !full; ++i) {
      Bytes packet;
      const MonitorLink::Outcome outcome = link.receive(packet);
      if (outcome == MonitorLink::Outcome::would_block) break;
      if (outcome == MonitorLink::Outcome::ended) return true;
      if (!monitor.take_packet(packet, clock_now())) {
        log_line(LogLevel::error, "monitor: the network process broke the protocol");
        return false;
      }
    }
  }
  return true;
}

}  // namespace sluice
