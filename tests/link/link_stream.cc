// The ring of a LinkStream, read and written in at most two pieces.
#include "tests/link/link_stream.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

namespace sluice::link {
namespace {

// One turn's worth of a stream: the other direction has a turn too.
constexpr size_t kTurn = 1024 * 1024;

bool for_later(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

int pieces_of(uint8_t* ring, size_t size, size_t from, size_t bytes, iovec (&out)[2]) {
  from %= size;
  const size_t first = std::min(bytes, size - from);
  out[0] = {ring + from, first};
  out[1] = {ring, bytes - first};
  return bytes > first ? 2 : 1;
}

}  // namespace

LinkStream::LinkStream(const PathSettings& settings, size_t buffer, int from, int to)
    : schedule_(settings), size_(buffer), from_(from), to_(to), ring_(new uint8_t[buffer]) {}

bool LinkStream::take(uint64_t now, uint64_t most) {
  const size_t room = std::min<uint64_t>({size_ - held_, kTurn, most});
  if (room == 0 || end_seen_) return true;
  iovec pieces[2];
  const int count = pieces_of(ring_.get(), size_, first_ + held_, room, pieces);
  const ssize_t got = ::readv(from_, pieces, count);
  if (got < 0) return for_later(errno);
  if (got == 0) {
    end(now);
    return true;
  }
  taken_ += static_cast<uint64_t>(got);
  held_ += static_cast<size_t>(got);
  enter(now, static_cast<size_t>(got));
  return true;
}

void LinkStream::enter(uint64_t now, size_t bytes) {
  const size_t grain = schedule_.grain();
  while (bytes > 0) {
    const size_t part = std::min(bytes, grain);
    const uint64_t due = schedule_.due(now, part);
    // What comes out together is one portion.
    if (!waiting_.empty() && waiting_.back().due == due && waiting_.back().bytes > 0) {
      waiting_.back().bytes += part;
    } else {
      waiting_.push_back({part, due});
    }
    bytes -= part;
  }
}

void LinkStream::end(uint64_t now) {
  if (end_seen_) return;
  end_seen_ = true;
  waiting_.push_back({0, schedule_.due(now, 0)});
}

bool LinkStream::give(uint64_t now) {
  size_t ready = 0;
  for (const Portion& portion : waiting_) {
    if (portion.due > now || portion.bytes == 0 || ready >= kTurn) break;
    ready += portion.bytes;
  }
  if (ready > 0) {
    msghdr message{};
    iovec pieces[2];
    message.msg_iov = pieces;
    message.msg_iovlen = static_cast<size_t>(pieces_of(ring_.get(), size_, first_, ready, pieces));
    const ssize_t sent = ::sendmsg(to_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return for_later(errno);
    size_t left = static_cast<size_t>(sent);
    given_ += left;
    first_ = (first_ + left) % size_;
    held_ -= left;
    while (left > 0) {
      const size_t part = std::min(left, waiting_.front().bytes);
      waiting_.front().bytes -= part;
      left -= part;
      if (waiting_.front().bytes == 0) waiting_.pop_front();
    }
  }
  if (!waiting_.empty() && waiting_.front().bytes == 0 && waiting_.front().due <= now) {
    waiting_.pop_front();
    ended_ = true;
    ::shutdown(to_, SHUT_WR);
  }
  return true;
}

}  // namespace sluice::link
