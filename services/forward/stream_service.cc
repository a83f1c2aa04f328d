// Reading into drafts, writing what was received, and the ends of both.
#include "services/forward/stream_service.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace sluice {
namespace {

// What is reserved for a read: much for a stream that fills it, little for a terminal, whose record would otherwise
// keep the rest of its place from others until it is sent.
constexpr size_t kLeastRead = 4096;
constexpr size_t kMostRead = 65536;
// Reads of one stream in one turn, so that a fast one does not keep the worker.
constexpr size_t kReadsPerTurn = 128;

}  // namespace

StreamService::StreamService(StreamCounts& counts, StreamEnds ends)
    : counts_(counts), ends_(std::move(ends)), read_size_(kLeastRead) {
  ++counts_.open;
  ++counts_.opened;
}

StreamService::~StreamService() {
  drop();
  --counts_.open;
}

void StreamService::attach(Channel& channel) {
  channel_ = &channel;
  if (ends_.input) start();
}

void StreamService::join(StreamEnds ends) {
  ends_ = std::move(ends);
  start();
}

void StreamService::start() {
  joined_ = true;
  // Fails where it is no TCP socket, which has no such delay. RFC 4254 knows nothing of small packets either.
  const int on = 1;
  ::setsockopt(ends_.input.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // Refused for what is always ready, as files are; a socket that cannot be watched is of no use.
  if (!channel_->watch(ends_.input.get(), *this) && !ends_.output) {
    input_ended_ = output_ended_ = true;
    return settle();
  }
  if (ends_.output) channel_->watch(ends_.output.get(), *this);
  channel_->ask_turn();
}

// Which of the two is ready is found out by trying.
void StreamService::on_ready(uint32_t events) {
  if ((events & ~uint32_t{EPOLLOUT}) != 0) readable_ = true;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) hung_up_ = true;
  if ((events & ~uint32_t{EPOLLIN}) != 0) write_backlog();
}

void StreamService::on_data(std::span<const MutableBytes> pieces) {
  size_t all = 0;
  for (const MutableBytes piece : pieces) all += piece.size();
  counts_.received += all;
  moved_ += all;
  size_t written = 0;
  if (joined_ && !output_ended_ && backlog_.empty()) {
    if (write_pieces(output(), pieces, written) == WriteState::broken) break_output();
  }
  if (output_ended_) {
    // Nobody takes it; the peer may go on, and learns of it when the other direction ends.
    written = all;
  }
  channel_->consumed(written);
  for (const MutableBytes piece : pieces) {
    const size_t skip = std::min(written, piece.size());
    written -= skip;
    if (skip < piece.size()) backlog_.append(piece.subspan(skip));
  }
}

void StreamService::on_eof() {
  peer_ended_ = true;
  if (joined_ && backlog_.empty() && !output_ended_) end_output();
  settle();
}

void StreamService::on_close() {
  peer_ended_ = true;
  input_ended_ = true;
  if (!joined_ || output_ended_ || backlog_.empty()) drop();
}

void StreamService::on_turn() {
  if (!joined_) return;
  if (!input_ended_) pump_input();
  settle();
}

void StreamService::pump_input() {
  for (size_t i = 0; i < kReadsPerTurn && readable_ && !input_ended_; ++i) {
    if (!read_once()) return;
  }
  if (readable_ && !input_ended_) channel_->ask_turn();
}

// False: no room in the channel.
bool StreamService::read_once() {
  const auto draft = channel_->reserve(read_size_);
  if (!draft) return false;
  ssize_t n;
  do n = ::read(ends_.input.get(), draft->data.data(), draft->data.size());
  while (n < 0 && errno == EINTR);
  const auto got = static_cast<size_t>(std::max<ssize_t>(n, 0));
  channel_->finish(*draft, got);
  counts_.sent += got;
  moved_ += got;
  if (n == 0) {
    input_ended_ = true;
    channel_->send_eof();
  } else if (n < 0 && errno == EAGAIN) {
    readable_ = false;
  } else if (n < 0) {
    input_ended_ = true;
    if (ends_.output) {
      channel_->send_eof();
    } else {
      // Nothing can be written to it either.
      break_output();
    }
  } else if (got == draft->data.size()) {
    read_size_ = std::min(read_size_ * 4, kMostRead);
  } else {
    if (got < read_size_ / 4) read_size_ = std::max(read_size_ / 4, kLeastRead);
    // A socket gave all it had, and tells of more. Terminals give lines.
    if (!ends_.output && !hung_up_) readable_ = false;
  }
  return true;
}

void StreamService::write_backlog() {
  if (backlog_.empty() || output_ended_) return;
  size_t written = 0;
  const WriteState state = backlog_.write_to(output(), written);
  moved_ += written;
  channel_->consumed(written);
  if (state == WriteState::broken) break_output();
  if (peer_ended_ && backlog_.empty() && !output_ended_) end_output();
  settle();
}

void StreamService::end_output() {
  output_ended_ = true;
  if (ends_.output) {
    channel_->unwatch(ends_.output.get());
    ends_.output.reset();
  } else {
    ::shutdown(ends_.input.get(), SHUT_WR);
  }
}

// What is kept goes nowhere any more.
void StreamService::break_output() {
  output_ended_ = true;
  channel_->consumed(backlog_.size());
  backlog_.clear();
}

void StreamService::settle() {
  if (joined_ && input_ended_ && output_ended_) abandon();
}

void StreamService::abandon() {
  channel_->close();
  drop();
}

void StreamService::drop() {
  joined_ = false;
  if (!channel_) return;
  if (ends_.input) channel_->unwatch(ends_.input.get());
  if (ends_.output) channel_->unwatch(ends_.output.get());
  ends_ = {};
  backlog_.clear();
}

}  // namespace sluice
