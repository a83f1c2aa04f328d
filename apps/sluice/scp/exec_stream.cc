// Both directions of an ExecStream.
#include "apps/sluice/scp/exec_stream.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/wire.h"
#include "services/sftp_client/sftp_messages.h"

namespace sluice {
namespace {

constexpr size_t kRead = 65536;
// So that a fast sender does not keep the worker.
constexpr int kReadsPerTurn = 64;
// A line of somebody who never ends one.
constexpr size_t kMostOfLine = 4096;

}  // namespace

ExecStream::~ExecStream() {
  if (channel_ && socket_) channel_->unwatch(socket_.get());
  if (!line_.empty()) std::fprintf(stderr, "%s\n", fit_for_terminal(line_, kMostOfLine).c_str());
  socket_.reset();
  const std::lock_guard held(end_->lock);
  end_->over = true;
  end_->changed.notify_all();
}

void ExecStream::attach(Channel& channel) {
  channel_ = &channel;
  channel_->watch(socket_.get(), *this);
}

void ExecStream::on_confirmed(Bytes) { channel_->request("exec", true, WireWriter().string(command_).view()); }

void ExecStream::on_refused(OpenFailure, std::string_view text) {
  std::fprintf(stderr, "the server opens no session: %s\n", fit_for_terminal(text).c_str());
}

void ExecStream::on_reply(bool success) {
  running_ = success;
  if (success) return channel_->ask_turn();
  std::fputs("the server does not run commands for this user\n", stderr);
  channel_->close();
}

void ExecStream::on_data(std::span<const MutableBytes> pieces) {
  size_t written = 0;
  if (kept_.empty() && !broken_) broken_ = write_pieces(socket_.get(), pieces, written) == WriteState::broken;
  size_t skip = written, dropped = 0;
  for (const MutableBytes piece : pieces) {
    const size_t part = std::min(skip, piece.size());
    skip -= part;
    if (broken_)
      dropped += piece.size() - part;
    else if (part < piece.size())
      kept_.append(piece.subspan(part));
  }
  // Nobody takes it any more; the other side learns of it when we close.
  channel_->consumed(written + dropped);
}

void ExecStream::on_stderr(Bytes data) {
  // A stranger's words: nothing that a terminal would obey.
  for (const char c : text_of(data)) {
    if (c == '\n' || line_.size() >= kMostOfLine) {
      std::fprintf(stderr, "%s\n", fit_for_terminal(line_, kMostOfLine).c_str());
      line_.clear();
    }
    if (c != '\n') line_.push_back(c);
  }
  channel_->consumed(data.size());
}

RequestAnswer ExecStream::on_request(const ChannelRequest& request) {
  if (request.name != "exit-status") return RequestAnswer::failure;
  WireReader reader(request.extra);
  const uint32_t status = reader.u32();
  if (!reader.ok()) return RequestAnswer::failure;
  const std::lock_guard held(end_->lock);
  // More than fits would look like success.
  end_->status = status > 255 ? 255 : static_cast<int>(status);
  return RequestAnswer::success;
}

void ExecStream::on_eof() {
  peer_ended_ = true;
  if (kept_.empty()) end_output();
}

void ExecStream::on_ready(uint32_t events) {
  if ((events & ~uint32_t{EPOLLOUT}) != 0) readable_ = true;
  if ((events & ~uint32_t{EPOLLIN}) != 0) write_kept();
}

void ExecStream::write_kept() {
  if (kept_.empty()) return;
  size_t written = 0;
  const WriteState state = kept_.write_to(socket_.get(), written);
  if (state == WriteState::broken) {
    broken_ = true;
    written += kept_.size();
    kept_.clear();
  }
  channel_->consumed(written);
  if (!kept_.empty()) return;
  if (peer_ended_) end_output();
  // This was the last of it.
  if (peer_closed_) channel_->close();
}

void ExecStream::on_close() {
  peer_ended_ = peer_closed_ = true;
  if (kept_.empty()) end_output();
}

void ExecStream::end_output() { ::shutdown(socket_.get(), SHUT_WR); }

void ExecStream::on_turn() {
  for (int i = 0; i < kReadsPerTurn && running_ && readable_ && !input_ended_; ++i) {
    const auto draft = channel_->reserve(kRead);
    if (!draft) return;
    const ssize_t n = ::read(socket_.get(), draft->data.data(), draft->data.size());
    channel_->finish(*draft, n > 0 ? static_cast<size_t>(n) : 0);
    if (n > 0) continue;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
      readable_ = errno == EINTR;
    } else {
      input_ended_ = true;
      channel_->send_eof();
    }
  }
  if (running_ && readable_ && !input_ended_) channel_->ask_turn();
}

}  // namespace sluice
