// sendmsg and recvmsg with SCM_RIGHTS.
#include "services/broker/packet_socket.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "base/check.h"
#include "services/broker/broker_protocol.h"

namespace sluice {
namespace {

// Room for more than anybody may send: what does not fit would be dropped by the kernel unseen.
constexpr size_t kControlRoom = 8;

// One buffer a thread: two thousand idle links must not hold 64 KiB each. Only what was received is ever touched.
MutableBytes receive_buffer() {
  thread_local std::array<uint8_t, kMaxBrokerPacket + 1> buffer;
  return buffer;
}

}  // namespace

std::pair<UniqueFd, UniqueFd> make_packet_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) return {};
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

bool set_nonblocking(int descriptor) {
  const int flags = ::fcntl(descriptor, F_GETFL);
  return flags >= 0 && ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0;
}

PacketOutcome send_packet(int socket, Bytes packet, const std::vector<UniqueFd>& descriptors) {
  SLUICE_CHECK(descriptors.size() <= kMaxBrokerDescriptors);
  iovec piece{const_cast<uint8_t*>(packet.data()), packet.size()};
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int) * kMaxBrokerDescriptors)] = {};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors.size());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.size());
    int* numbers = reinterpret_cast<int*>(CMSG_DATA(header));
    for (const UniqueFd& each : descriptors) *numbers++ = each.get();
  }
  for (;;) {
    if (::sendmsg(socket, &message, MSG_NOSIGNAL) >= 0) return PacketOutcome::packet;
    if (errno == EINTR) continue;
    // ETOOMANYREFS: as many descriptors are on their way as the user may have open; they will arrive.
    const bool later = errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS;
    return later ? PacketOutcome::would_block : PacketOutcome::ended;
  }
}

ReceivedPacket receive_packet(int socket, size_t most, size_t most_descriptors) {
  const MutableBytes buffer = receive_buffer();
  ReceivedPacket received;
  iovec piece{buffer.data(), buffer.size()};
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int) * kControlRoom)];
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t n;
  do n = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n < 0) {
    received.outcome = errno == EAGAIN ? PacketOutcome::would_block : PacketOutcome::ended;
    return received;
  }
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    const int* numbers = reinterpret_cast<const int*>(CMSG_DATA(header));
    for (size_t i = 0; i < count; ++i) received.descriptors.emplace_back(numbers[i]);
  }
  const bool whole = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 && static_cast<size_t>(n) <= most;
  if (n == 0 || !whole || received.descriptors.size() > most_descriptors) {
    received.descriptors.clear();
    return received;
  }
  received.outcome = PacketOutcome::packet;
  received.bytes = buffer.first(static_cast<size_t>(n));
  return received;
}

}  // namespace sluice
