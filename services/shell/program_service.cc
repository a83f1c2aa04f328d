// Starting, pumping, ending.
#include "services/shell/program_service.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/wire.h"

namespace sluice {
namespace {

// More than a channel's packet.
constexpr size_t kMostOfPipe = 256 * 1024;
// A terminal gives a few kilobytes at a time; reserving more would fill the send ring with nothing.
constexpr size_t kMostOfTerminal = 8 * 1024;
constexpr size_t kMostPieces = 64;

std::string_view names_of(ProgramKind kind) { return kind == ProgramKind::login_shell ? "shell" : "command"; }

}  // namespace

void ProgramService::Stream::on_ready(uint32_t events) {
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLRDHUP | EPOLLERR)) != 0) readable = true;
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) writable = true;
  if ((events & (EPOLLHUP | EPOLLRDHUP)) != 0) hung_up = true;
}

void ProgramService::Stream::close(Channel& channel) {
  if (!descriptor) return;
  channel.unwatch(descriptor.get());
  descriptor.reset();
}

ProgramService::ProgramService(ConnectionServices& connection, SpawnProgram spawn, std::function<void()> refused)
    : connection_(connection), spawn_(std::move(spawn)), refused_(std::move(refused)), caller_(connection.broker()) {}

ProgramService::~ProgramService() { release(); }

void ProgramService::attach(Channel& channel) {
  channel_ = &channel;
  terminal_ = spawn_.terminal.has_value();
  connection_.broker().ask(caller_, spawn_, [this](BrokerReceived&& received) { take_spawned(std::move(received)); });
}

void ProgramService::take_spawned(BrokerReceived&& received) {
  answered_ = true;
  const auto* spawned = std::get_if<Spawned>(&received.answer);
  if (!spawned) {
    const auto* failure = std::get_if<Failure>(&received.answer);
    return refuse(failure ? std::string_view(failure->text) : "an answer that does not belong here");
  }
  child_ = spawned->child;
  running_ = true;
  connection_.broker().await_exit(caller_, child_, [this](const ChildExited* exited) { take_exit(exited); });
  if (spawned->terminal != terminal_ || !take_streams(std::move(received.descriptors))) {
    connection_.broker().tell(SignalChild{child_, "HUP"});
    return refuse("its streams cannot be watched");
  }
  if (late_size_) resize(*late_size_);
  channel_->answer(true);
  channel_->ask_turn();
}

bool ProgramService::take_streams(std::vector<UniqueFd> descriptors) {
  if (descriptors.size() != (terminal_ ? 1u : 3u)) return false;
  const std::array<Stream*, 3> streams =
      terminal_ ? std::array<Stream*, 3>{&output_} : std::array<Stream*, 3>{&input_, &output_, &errors_};
  for (size_t i = 0; i < descriptors.size(); ++i) {
    if (!channel_->watch(descriptors[i].get(), *streams[i])) return false;
    streams[i]->descriptor = std::move(descriptors[i]);
  }
  return true;
}

// What is typed behind the change waits for it: the broker makes it, but input goes straight to the terminal.
void ProgramService::resize(const TerminalSize& size) {
  ++resizing_;
  connection_.broker().ask(caller_, ResizeTerminal{child_, size}, [this](BrokerReceived&&) {
    --resizing_;
    if (!closed_) channel_->ask_turn();
  });
}

// The channel stays: a client may ask for something else.
void ProgramService::refuse(std::string_view why) {
  connection_.log(LogLevel::warning, "The " + std::string(names_of(spawn_.kind)) + " of " + connection_.login().user +
                                         " was not started: " + std::string(why));
  channel_->answer(false);
  channel_->consumed(kept_.clear());
  release();
  closed_ = true;
  refused_();
}

void ProgramService::take_exit(const ChildExited* exited) {
  running_ = false;
  exit_known_ = true;
  if (exited) exited_ = *exited;
  // What it wrote before it ended is read until the kernel says that there is no more.
  output_.readable = errors_.readable = true;
  // There is no more room to be expected of a pipe whose reader is gone; and nobody else reads a terminal for it.
  end_input(false);
  if (!exited) {
    output_.close(*channel_);
    errors_.close(*channel_);
  }
  channel_->ask_turn();
}

RequestAnswer ProgramService::on_request(const ChannelRequest& request) {
  WireReader reader(request.extra);
  if (request.name == "window-change") {
    TerminalSize size;
    size.columns = reader.u32(), size.rows = reader.u32(), size.width = reader.u32(), size.height = reader.u32();
    if (!reader.ok() || !terminal_) return RequestAnswer::failure;
    if (running_) {
      resize(size);
    } else {
      late_size_ = size;
    }
    return RequestAnswer::success;
  }
  if (request.name == "signal") {
    const std::string_view name = reader.text();
    // What was asked for is not what runs: whoever forced it does not expect the client to end it. So does sshd.
    const bool his_own = !connection_.login().forced_command && spawn_.kind != ProgramKind::subsystem;
    if (!reader.ok() || !running_ || !his_own) return RequestAnswer::failure;
    connection_.broker().tell(SignalChild{child_, std::string(name)});
    return RequestAnswer::success;
  }
  // RFC 4335. A pseudo-terminal has no line that could be broken: heard, without effect.
  if (request.name == "break") return terminal_ ? RequestAnswer::success : RequestAnswer::failure;
  // The client reads no more: the program learns it as from any pipe.
  if (request.name == "eow@openssh.com") {
    if (!terminal_) output_.close(*channel_);
    channel_->ask_turn();
    return RequestAnswer::success;
  }
  return RequestAnswer::failure;
}

void ProgramService::on_data(std::span<const MutableBytes> pieces) {
  size_t total = 0;
  for (const MutableBytes& piece : pieces) total += piece.size();
  if (input_over_ || closed_) return channel_->consumed(total);
  size_t written = kept_.empty() && input().descriptor && resizing_ == 0 ? write(pieces) : 0;
  channel_->consumed(input_over_ ? total : written);
  if (input_over_) return;
  for (const MutableBytes& piece : pieces) {
    const size_t gone = std::min(written, piece.size());
    kept_.append(piece.subspan(gone));
    written -= gone;
  }
}

size_t ProgramService::write(std::span<const MutableBytes> pieces) {
  std::array<iovec, kMostPieces> places;
  size_t count = 0, wanted = 0;
  for (const MutableBytes& piece : pieces) {
    if (count == places.size()) break;
    places[count++] = {piece.data(), piece.size()};
    wanted += piece.size();
  }
  const ssize_t n = ::writev(input().descriptor.get(), places.data(), static_cast<int>(count));
  after_write(n, wanted);
  return n > 0 ? static_cast<size_t>(n) : 0;
}

// True when there may be room for more.
bool ProgramService::after_write(ssize_t n, size_t wanted) {
  if (n >= 0) return input().writable = static_cast<size_t>(n) == wanted;
  if (errno == EINTR) return true;
  if (errno != EAGAIN) return end_input(true), false;
  return input().writable = false;
}

void ProgramService::write_kept() {
  while (resizing_ == 0 && !kept_.empty() && input().descriptor && input().writable) {
    std::array<iovec, kMostPieces> places;
    const size_t count = kept_.front(places);
    size_t wanted = 0;
    for (size_t i = 0; i < count; ++i) wanted += places[i].iov_len;
    const ssize_t n = ::writev(input().descriptor.get(), places.data(), static_cast<int>(count));
    if (n > 0) {
      kept_.drop(static_cast<size_t>(n));
      channel_->consumed(static_cast<size_t>(n));
    }
    if (!after_write(n, wanted)) break;
  }
  if (kept_.empty() && eof_received_ && !input_over_ && input().descriptor) end_input(false);
}

// broken: the program reads no more, which a client that sends without end wants to know.
void ProgramService::end_input(bool broken) {
  if (input_over_) return;
  input_over_ = true;
  channel_->consumed(kept_.clear());
  // A terminal's input does not end but with its output.
  if (!terminal_) input_.close(*channel_);
  if (broken && !eof_received_) channel_->request("eow@openssh.com", false, {});
}

void ProgramService::on_eof() {
  eof_received_ = true;
  write_kept();
}

void ProgramService::on_turn() {
  if (closed_ || !answered_) return;
  write_kept();
  // In turns, so that neither stream keeps the other out of the record places.
  bool moved = true;
  while (moved) {
    moved = pump(errors_, true);
    moved |= pump(output_, false);
  }
  output_over_ = !output_.descriptor && !errors_.descriptor;
  tell_exit();
  // Not before: PuTTY closes a channel as soon as both directions have ended, and a status can follow no CLOSE.
  if (output_over_ && exit_told_) channel_->send_eof();
  close_when_done();
}

// One record. False: nothing to read, or no room.
bool ProgramService::pump(Stream& stream, bool is_stderr) {
  if (!stream.descriptor || !stream.readable) return false;
  const size_t most = terminal_ ? kMostOfTerminal : kMostOfPipe;
  const auto draft = is_stderr ? channel_->reserve_stderr(most) : channel_->reserve(most);
  if (!draft) return false;
  const ssize_t n = ::read(stream.descriptor.get(), draft->data.data(), draft->data.size());
  channel_->finish(*draft, n > 0 ? static_cast<size_t>(n) : 0);
  if (n > 0) {
    // A pipe that gave less is empty, and tells when that changes: the next read would only hear EAGAIN.
    if (!terminal_ && !stream.hung_up && !exit_known_) stream.readable = static_cast<size_t>(n) == draft->data.size();
    return true;
  }
  if (n < 0 && errno == EINTR) return true;
  if (n < 0 && errno == EAGAIN) return stream.readable = false;
  // EIO is how a terminal ends.
  stream.close(*channel_);
  if (terminal_) end_input(false);
  return false;
}

// RFC 4254 section 6.10.
void ProgramService::tell_exit() {
  const bool drained = !(output_.descriptor && output_.readable) && !(errors_.descriptor && errors_.readable);
  if (!exit_known_ || exit_told_ || !drained) return;
  exit_told_ = true;
  const bool by_signal = !exited_ || !exited_->signal.empty();
  if (!by_signal) {
    return channel_->request("exit-status", false, WireWriter().u32(exited_->status).view());
  }
  const std::string_view text = exited_ ? std::string_view() : "The process that watched the program has ended";
  channel_->request("exit-signal", false,
                    WireWriter()
                        .string(exited_ ? std::string_view(exited_->signal) : "HUP")
                        .boolean(exited_ && exited_->core_dumped)
                        .string(text)
                        .string("")
                        .view());
}

void ProgramService::close_when_done() {
  if (!exit_told_ || !output_over_) return;
  closed_ = true;
  release();
  channel_->close();
}

void ProgramService::release() {
  if (!channel_) return;
  for (Stream* stream : {&input_, &output_, &errors_}) stream->close(*channel_);
  kept_.clear();
  // Without a terminal it sees its pipes end, and may well go on: so does sshd.
  if (running_ && terminal_) connection_.broker().tell(SignalChild{child_, "HUP"});
  running_ = false;
}

}  // namespace sluice
