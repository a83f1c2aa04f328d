// Requests out, streams both ways, the exit status.
#include "services/client_session/client_session.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/debug_words.h"
#include "base/text.h"
#include "base/wire.h"

namespace sluice {
namespace {

constexpr size_t kLeastRead = 4096;
constexpr size_t kMostRead = 64 * 1024;
constexpr size_t kReadsPerTurn = 128;
// What one request may carry of the user's environment.
constexpr size_t kMaxVariables = 64;
constexpr uint32_t kBreakMs = 1000;

std::string printable_text(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 256)) out.push_back(c >= 32 && c < 127 ? c : '?');
  return out;
}

// In the routers' words.
void tell_requests(const SessionSpec& spec) {
  using Program = SessionSpec::Program;
  if (spec.terminal) tell_client_debug("SSH2 CLIENT 0: pty-req request sent");
  const char* what = spec.program == Program::shell       ? "shell"
                     : spec.program == Program::subsystem ? "subsystem"
                                                          : "exec";
  tell_client_debug(std::string("SSH2 CLIENT 0: ") + what + " request sent");
  tell_client_debug("SSH CLIENT0: session open");
}

}  // namespace

ClientSession::ClientSession(ClientChannels& channels, uint32_t id, SessionSpec spec, SessionStreams streams)
    : channels_(channels),
      id_(id),
      spec_(std::move(spec)),
      filter_(spec_.terminal ? spec_.escape : -1, spec_.escape_command_line),
      read_size_(kLeastRead) {
  input_.descriptor = std::move(streams.input);
  output_.descriptor = std::move(streams.output);
  errors_.descriptor = std::move(streams.errors);
  channels_.know(id_, this);
  channels_.name(this, "session");
}

ClientSession::~ClientSession() {
  release();
  channels_.forget(this);
  channels_.know(id_, nullptr);
}

void ClientSession::attach(Channel& channel) {
  channel_ = &channel;
  // Refused for what is always ready, files say.
  channel_->watch(input_.descriptor.get(), input_);
  channel_->watch(output_.descriptor.get(), output_);
  channel_->watch(errors_.descriptor.get(), errors_);
}

void ClientSession::on_confirmed(Bytes) {
  if (spec_.forward_agent) channel_->request("auth-agent-req@openssh.com", false, {});
  for (size_t i = 0; i < std::min(spec_.environment.size(), kMaxVariables); ++i) {
    const auto& [name, value] = spec_.environment[i];
    channel_->request("env", false, WireWriter().string(name).string(value).view());
  }
  if (spec_.terminal) {
    asked_.push_back(Asked::terminal);
    const WindowSize& size = spec_.size;
    channel_->request("pty-req", true,
                      WireWriter()
                          .string(spec_.terminal_type)
                          .u32(size.columns)
                          .u32(size.rows)
                          .u32(size.width)
                          .u32(size.height)
                          .string(spec_.modes)
                          .view());
  }
  if (spec_.x11) ask_x11();
  ask_program();
  if (debugging(kDebugClient)) tell_requests(spec_);
  channel_->ask_turn();
}

// RFC 4254 section 6.3.1: any number of connections, the cookie in hexadecimal.
void ClientSession::ask_x11() {
  asked_.push_back(Asked::x11);
  std::string cookie;
  for (const uint8_t byte : spec_.x11->cookie) {
    cookie.push_back("0123456789abcdef"[byte >> 4]);
    cookie.push_back("0123456789abcdef"[byte & 15]);
  }
  channel_->request("x11-req", true,
                    WireWriter().u8(0).string(spec_.x11->protocol).string(cookie).u32(spec_.x11->screen).view());
}

void ClientSession::ask_program() {
  asked_.push_back(Asked::program);
  running_ = true;
  switch (spec_.program) {
    case SessionSpec::Program::shell: return channel_->request("shell", true, {});
    case SessionSpec::Program::command: return channel_->request("exec", true, WireWriter().string(spec_.words).view());
    case SessionSpec::Program::subsystem:
      return channel_->request("subsystem", true, WireWriter().string(spec_.words).view());
  }
}

void ClientSession::on_refused(OpenFailure, std::string_view text) {
  failed_ = true;
  const std::string why = joined({"channel open failed: ", printable_text(text)});
  channels_.tell(ClientNote::session_failed, id_, {why.begin(), why.end()});
}

void ClientSession::on_reply(bool success) {
  if (asked_.empty()) return;
  const Asked about = asked_.front();
  asked_.erase(asked_.begin());
  if (about == Asked::terminal && !success) {
    filter_ = EscapeFilter(-1, false);
    tell_user("PTY allocation request failed on this channel\n");
  }
  if (about == Asked::x11 && !success) tell_user("X11 forwarding request failed on this channel\n");
  if (about != Asked::program) return;
  if (success) return channels_.tell(ClientNote::session_ready, id_);
  failed_ = true;
  const std::string_view what = spec_.program == SessionSpec::Program::shell     ? "shell"
                                : spec_.program == SessionSpec::Program::command ? "exec"
                                                                                 : "subsystem";
  const std::string why = joined({what, " request failed on this channel"});
  channels_.tell(ClientNote::session_failed, id_, {why.begin(), why.end()});
  channel_->close();
}

RequestAnswer ClientSession::on_request(const ChannelRequest& request) {
  WireReader reader(request.extra);
  if (request.name == "exit-status") {
    const uint32_t status = reader.u32();
    if (!reader.ok()) return RequestAnswer::failure;
    exit_status_ = status;
    return RequestAnswer::success;
  }
  if (request.name == "exit-signal") {
    exit_signal_ = printable_text(reader.text());
    return RequestAnswer::success;
  }
  // OpenSSH's PROTOCOL, section 2.1: nobody reads what we send.
  if (request.name == "eow@openssh.com") {
    end_input();
    return RequestAnswer::success;
  }
  return RequestAnswer::failure;
}

// --- What the server sends

void ClientSession::on_data(std::span<const MutableBytes> pieces) { write(output_, pieces); }

void ClientSession::on_stderr(Bytes data) {
  const MutableBytes piece{const_cast<uint8_t*>(data.data()), data.size()};
  write(errors_, {&piece, 1});
}

void ClientSession::write(Output& output, std::span<const MutableBytes> pieces) {
  size_t all = 0;
  for (const MutableBytes piece : pieces) all += piece.size();
  size_t written = 0;
  if (!output.broken && output.backlog.empty()) {
    const WriteState state = write_pieces(output.descriptor.get(), pieces, written);
    if (state == WriteState::broken) break_output(output);
    // Only who has just been told to wait waits: readiness that was told meanwhile comes but once.
    if (state == WriteState::blocked) output.ready = false;
  }
  if (output.broken) written = all;
  channel_->consumed(written);
  for (const MutableBytes piece : pieces) {
    const size_t skip = std::min(written, piece.size());
    written -= skip;
    if (skip < piece.size()) output.backlog.append(piece.subspan(skip));
  }
}

void ClientSession::write_kept(Output& output) {
  if (output.backlog.empty() || output.broken) return;
  size_t written = 0;
  const WriteState state = output.backlog.write_to(output.descriptor.get(), written);
  channel_->consumed(written);
  // What was consumed is given to the server at the beginning of a turn.
  if (written > 0) channel_->ask_turn();
  if (state == WriteState::broken) break_output(output);
  output.ready = output.backlog.empty();
}

// Whoever read it is gone; the server's program learns of it.
void ClientSession::break_output(Output& output) {
  output.broken = true;
  channel_->consumed(output.backlog.size());
  output.backlog.clear();
  if (&output == &output_ && running_) channel_->request("eow@openssh.com", false, {});
}

void ClientSession::tell_user(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n' && spec_.terminal && (out.empty() || out.back() != '\r')) out.push_back('\r');
    out.push_back(c);
  }
  [[maybe_unused]] const ssize_t n = ::write(errors_.descriptor.get(), out.data(), out.size());
}

// --- What the user sends

void ClientSession::on_turn() {
  if (output_.ready) write_kept(output_);
  if (errors_.ready) write_kept(errors_);
  if (finished_ && !lingers()) return channel_->close();
  if (running_ && !failed_ && !finished_) pump_input();
}

void ClientSession::pump_input() {
  for (size_t i = 0; i < kReadsPerTurn; ++i) {
    if (!typed_.empty()) send_typed();
    if (!typed_.empty() || input_.ended || !input_.ready || paused_) break;
    if (!(spec_.terminal && spec_.escape >= 0 ? read_filtered() : read_straight())) return;
  }
  if (input_.ended && typed_.empty()) return channel_->send_eof();
  if (input_.ready && !input_.ended && !paused_ && typed_.empty()) channel_->ask_turn();
}

// False: no room in the channel.
bool ClientSession::read_straight() {
  const auto draft = channel_->reserve(read_size_);
  if (!draft) return false;
  ssize_t n;
  do n = ::read(input_.descriptor.get(), draft->data.data(), draft->data.size());
  while (n < 0 && errno == EINTR);
  const auto got = static_cast<size_t>(std::max<ssize_t>(n, 0));
  channel_->finish(*draft, got);
  if (n == 0 || (n < 0 && errno != EAGAIN)) {
    input_.ended = true;
  } else if (n < 0) {
    input_.ready = false;
  } else if (got == draft->data.size()) {
    read_size_ = std::min(read_size_ * 4, kMostRead);
  } else if (got < read_size_ / 4) {
    read_size_ = std::max(read_size_ / 4, kLeastRead);
  }
  return true;
}

bool ClientSession::read_filtered() {
  uint8_t bytes[kLeastRead];
  ssize_t n;
  do n = ::read(input_.descriptor.get(), bytes, sizeof bytes);
  while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN) {
    input_.ready = false;
    return true;
  }
  if (n <= 0) {
    input_.ended = true;
    return true;
  }
  auto taken = filter_.take({bytes, static_cast<size_t>(n)});
  typed_.insert(typed_.end(), taken.data.begin(), taken.data.end());
  if (!taken.echo.empty()) tell_user(taken.echo);
  for (const EscapeEvent& event : taken.events) {
    if (event.order == EscapeOrder::help) {
      tell_user(EscapeFilter::help(spec_.escape, spec_.escape_command_line));
    } else if (event.order == EscapeOrder::list) {
      tell_user(channels_.list());
    } else if (event.order == EscapeOrder::send_break) {
      send_break();
    } else {
      channels_.tell(ClientNote::escape, id_,
                     WireWriter().u8(static_cast<uint8_t>(event.order)).string(event.words).take());
    }
  }
  return true;
}

void ClientSession::send_typed() {
  const auto draft = channel_->reserve(typed_.size());
  if (!draft) return;
  const size_t n = std::min(draft->data.size(), typed_.size());
  std::copy_n(typed_.begin(), n, draft->data.begin());
  channel_->finish(*draft, n);
  typed_.erase(typed_.begin(), typed_.begin() + static_cast<std::ptrdiff_t>(n));
}

void ClientSession::end_input() {
  input_.ended = true;
  typed_.clear();
  channel_->ask_turn();
}

void ClientSession::resize(const WindowSize& size) {
  spec_.size = size;
  if (!running_ || finished_ || !spec_.terminal) return;
  channel_->request("window-change", false,
                    WireWriter().u32(size.columns).u32(size.rows).u32(size.width).u32(size.height).view());
}

void ClientSession::send_signal(std::string_view name) {
  if (running_ && !finished_) channel_->request("signal", false, WireWriter().string(name).view());
}

void ClientSession::send_break() {
  if (!running_ || finished_) return;
  asked_.push_back(Asked::other);
  channel_->request("break", true, WireWriter().u32(kBreakMs).view());
}

void ClientSession::hang_up() {
  hung_up_ = true;
  input_.ended = true;
  if (channel_ != nullptr) channel_->close();
}

void ClientSession::pause_input(bool paused) {
  paused_ = paused;
  if (channel_ != nullptr) channel_->ask_turn();
}

// --- The end

void ClientSession::on_close() {
  write_kept(output_);
  write_kept(errors_);
  input_.ended = true;
  finished_ = true;
}

// The connection is gone and with it whoever would be kept waiting: what came is still the reader's.
void ClientSession::write_last(Output& output) {
  while (!output.backlog.empty() && !output.broken) {
    pollfd ready{output.descriptor.get(), POLLOUT, 0};
    if (::poll(&ready, 1, -1) < 0 && errno != EINTR) return;
    size_t written = 0;
    if (output.backlog.write_to(output.descriptor.get(), written) == WriteState::broken) return;
  }
}

void ClientSession::release() {
  if (channel_ == nullptr) return;
  if (!hung_up_ && !failed_) {
    write_last(output_);
    write_last(errors_);
  }
  for (UniqueFd* descriptor : {&input_.descriptor, &output_.descriptor, &errors_.descriptor}) {
    if (!*descriptor) continue;
    channel_->unwatch(descriptor->get());
    descriptor->reset();
  }
  if (failed_) return;
  WireWriter bytes;
  bytes.u32(exit_status_.value_or(0)).u8(exit_status_ ? 1 : 0).string(exit_signal_);
  channels_.tell(ClientNote::session_ended, id_, bytes.take());
}

}  // namespace sluice
