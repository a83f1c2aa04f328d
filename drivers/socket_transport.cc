// recv into the ring, sendmsg out of it.
#include "drivers/socket_transport.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/check.h"

namespace sluice {
namespace {

// Pieces of one gathering write.
constexpr size_t kMostPieces = 64;

bool is_transient(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace

SocketTransport::SocketTransport(int descriptor, const SocketTransportSize& size)
    : Transport(size.send), descriptor_(descriptor), received_(size.receive) {
  // Without memory for its rings a connection is as good as lost; the others go on.
  if (received_.size() == 0 || send_ring().capacity() == 0) ended_ = broken_ = true;
  const int on = 1;
  // Batches are ours to make. Fails on a Unix socket, where there is nothing to switch off.
  ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

SocketTransport::~SocketTransport() {
  received_.only_used(most_used_);
  ::close(descriptor_);
}

size_t SocketTransport::peek(size_t offset, std::span<MutableBytes> out) {
  const size_t at = begin_ + offset;
  if (at >= end_ || out.empty()) return 0;
  out[0] = {received_.data() + at % received_.size(), end_ - at};
  return 1;
}

void SocketTransport::release(size_t n) {
  SLUICE_CHECK(n <= end_ - begin_);
  begin_ += n;
  // Empty: what comes next goes where something was a moment ago, into pages that are there and caches that know them.
  if (begin_ == end_) begin_ = end_ = kReceiveHeadroom;
}

void SocketTransport::receive() {
  const size_t room = received_.size() - kReceiveHeadroom - (end_ - begin_);
  if (room == 0 || ended_ || broken_) return;
  const ssize_t n = ::recv(descriptor_, received_.data() + end_ % received_.size(), room, MSG_DONTWAIT);
  if (n > 0) {
    end_ += static_cast<size_t>(n);
    most_used_ = std::max(most_used_, end_);
  } else if (n == 0) {
    ended_ = true;
  } else if (!is_transient(errno)) {
    ended_ = broken_ = true;
  }
}

void SocketTransport::give_memory_back() {
  Transport::give_memory_back();
  if (begin_ == end_) received_.drop_pages();
}

// A Unix socket's readiness does not heed it, which costs wake-ups only.
void SocketTransport::wake_for(size_t bytes) {
  const int least = static_cast<int>(bytes);
  ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least);
}

int SocketTransport::peer_core() const {
  int core = -1;
  socklen_t size = sizeof core;
  return ::getsockopt(descriptor_, SOL_SOCKET, SO_INCOMING_CPU, &core, &size) == 0 ? core : -1;
}

void SocketTransport::flush() {
  while (has_unsent() && !broken_) {
    std::array<Bytes, kMostPieces> pieces;
    std::array<iovec, kMostPieces> vectors;
    const size_t n = send_ring().pending(pieces);
    for (size_t i = 0; i < n; ++i) vectors[i] = {const_cast<uint8_t*>(pieces[i].data()), pieces[i].size()};
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = n;
    const ssize_t sent = ::sendmsg(descriptor_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (!is_transient(errno)) ended_ = broken_ = true;
      return;
    }
    send_ring().sent(static_cast<size_t>(sent));
  }
}

}  // namespace sluice
