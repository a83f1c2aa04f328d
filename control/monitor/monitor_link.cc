// One receive, one poll and one send carry as many frames as have gathered.
#include "control/monitor/monitor_link.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "base/check.h"
#include "base/log.h"

namespace sluice {
namespace {

constexpr int kStopLookMs = 1000;
// Packets taken before completions and answers get their turn.
constexpr int kPacketsARound = 16;

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
    const ssize_t n = ::send(descriptor_, packet.data(), packet.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN || errno == ENOBUFS;
    packets.pop();
  }
  return true;
}

MonitorLink::Outcome MonitorLink::receive(Bytes& packet) {
  wipe(buffer_.data(), used_);
  used_ = 0;
  for (;;) {
    // One byte more than a packet may have: with MSG_TRUNC a longer one shows.
    const ssize_t n = ::recv(descriptor_, buffer_.data(), buffer_.size(), MSG_TRUNC);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN ? Outcome::would_block : Outcome::ended;
    if (n == 0) return Outcome::ended;
    used_ = std::min(static_cast<size_t>(n), buffer_.size());
    packet = Bytes(buffer_.data(), used_);
    return Outcome::packet;
  }
}

bool run_monitor(Monitor& monitor, Completions& completions, MonitorLink& link, const std::atomic<bool>& stop) {
  while (!stop.load(std::memory_order_relaxed)) {
    if (!link.flush(monitor.output())) return true;
    const bool full = monitor.output().packets() > kMaxQueuedPackets;
    const auto events = static_cast<short>((full ? 0 : POLLIN) | (monitor.output().empty() ? 0 : POLLOUT));
    pollfd waits[] = {{link.descriptor(), events, 0}, {completions.descriptor(), POLLIN, 0}};
    if (::poll(waits, 2, kStopLookMs) < 0 && errno != EINTR) return true;
    if (waits[1].revents != 0) completions.run();
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
