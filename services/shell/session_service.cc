// Requests in order, RFC 4254 section 6; then everything is the inner service's.
#include "services/shell/session_service.h"

#include <array>

#include "base/clock.h"
#include "base/debug.h"
#include "base/plain_text.h"
#include "base/wire.h"
#include "services/connection/connection_notes.h"
#include "services/shell/program_service.h"

namespace sluice {
namespace {

// As many as sshd's, and no more bytes than leave room for a command in a broker's packet: each is copied for a
// program.
constexpr size_t kMaxVariables = 128;
constexpr size_t kMaxVariableBytes = 16 * 1024;
// All modes that there are fit many times.
constexpr size_t kMaxModeBytes = 2048;
// Of a request's name, to who debugs.
constexpr size_t kMostShown = 64;
constexpr std::string_view kInternalSftp = "internal-sftp";

// `internal-sftp -f AUTH -l INFO` is it too: what the words ask for is the configuration's.
bool is_internal_sftp(const std::optional<std::string>& command) {
  return command && command->starts_with(kInternalSftp) &&
         (command->size() == kInternalSftp.size() || (*command)[kInternalSftp.size()] == ' ');
}

size_t sum(std::span<const MutableBytes> pieces) {
  size_t n = 0;
  for (const MutableBytes& piece : pieces) n += piece.size();
  return n;
}

// In the routers' words.
void tell_request(ConnectionServices& connection, const ChannelRequest& request) {
  const std::string name = log_text(std::string_view(request.name).substr(0, kMostShown));
  connection.tell_debug(kDebugDetail, name + " request");
  if (request.name == "shell" || request.name == "exec")
    connection.tell_debug(kDebugDetail, name + " message received");
  if (request.name != "pty-req") return;
  WireReader reader(request.extra);
  reader.text();
  const uint32_t width = reader.u32(), height = reader.u32();
  const std::string size = "height " + std::to_string(height) + ", width " + std::to_string(width);
  connection.tell_debug(kDebugDetail, "setting TTY - requested: " + size + "; set: " + size);
}

}  // namespace

OpenDecision open_session_channel(ConnectionServices& connection, Bytes) {
  if (debugging(kDebugDetail)) connection.tell_debug(kDebugDetail, "channel open request");
  if (!connection.more_sessions()) {
    return {nullptr, false, {OpenFailure::administratively_prohibited, "No more sessions"}};
  }
  return {std::make_unique<SessionService>(connection)};
}

SessionService::SessionService(ConnectionServices& connection)
    : connection_(connection), self_(std::make_shared<SessionService*>(this)) {
  connection_.count_session(1);
}

SessionService::~SessionService() {
  if (channel_ && connection_.settings().watches_idleness()) connection_.part<IdleClock>().leave(*this);
  inner_.reset();
  connection_.count_session(-1);
  if (told_number_ != 0) connection_.tell_no_channel(told_number_);
}

void SessionService::tell(std::string_view type) {
  told_number_ = connection_.next_channel();
  connection_.tell_channel(told_number_, type, spawn_.terminal.has_value());
}

void SessionService::attach(Channel& channel) {
  channel_ = &channel;
  if (connection_.settings().watches_idleness()) connection_.part<IdleClock>().join(*this);
}

RequestAnswer SessionService::on_request(const ChannelRequest& request) {
  moved_ = true;
  if (debugging(kDebugDetail)) tell_request(connection_, request);
  drop_refused();
  if (over_) return RequestAnswer::failure;
  if (inner_) {
    const bool second = request.name == "shell" || request.name == "exec" || request.name == "subsystem";
    return second ? RequestAnswer::failure : inner_->on_request(request);
  }
  if (wanted_) return RequestAnswer::failure;
  if (request.name == "shell" || request.name == "exec" || request.name == "subsystem") return begin(request);
  return prepare(request);
}

RequestAnswer SessionService::prepare(const ChannelRequest& request) {
  if (request.name == "pty-req") return take_terminal(request.extra);
  if (request.name == "env") return take_variable(request.extra);
  if (request.name == "auth-agent-req@openssh.com") return ask_agent();
  if (request.name == "window-change" && spawn_.terminal) {
    WireReader reader(request.extra);
    TerminalSize size;
    size.columns = reader.u32(), size.rows = reader.u32(), size.width = reader.u32(), size.height = reader.u32();
    if (!reader.ok()) return RequestAnswer::failure;
    spawn_.terminal->size = size;
    return RequestAnswer::success;
  }
  // x11-req among them.
  return RequestAnswer::failure;
}

// Section 6.2.
RequestAnswer SessionService::take_terminal(Bytes extra) {
  WireReader reader(extra);
  TerminalRequest terminal;
  terminal.type = reader.text();
  terminal.size.columns = reader.u32();
  terminal.size.rows = reader.u32();
  terminal.size.width = reader.u32();
  terminal.size.height = reader.u32();
  const Bytes modes = reader.string();
  if (!reader.ok() || spawn_.terminal || !connection_.login().pty || modes.size() > kMaxModeBytes ||
      terminal.type.find('\0') != std::string::npos) {
    return RequestAnswer::failure;
  }
  terminal.modes.assign(modes.begin(), modes.end());
  spawn_.terminal = std::move(terminal);
  return RequestAnswer::success;
}

// Section 6.4. Which names a program gets is the broker's to decide: here they are only counted.
RequestAnswer SessionService::take_variable(Bytes extra) {
  WireReader reader(extra);
  const std::string_view name = reader.text(), value = reader.text();
  const bool sound = reader.ok() && !name.empty() && name.find_first_of(std::string_view("=\0", 2)) == name.npos &&
                     value.find('\0') == value.npos;
  variable_bytes_ += name.size() + value.size();
  if (!sound || spawn_.environment.size() >= kMaxVariables || variable_bytes_ > kMaxVariableBytes) {
    return RequestAnswer::failure;
  }
  spawn_.environment.emplace_back(name, value);
  return RequestAnswer::success;
}

RequestAnswer SessionService::ask_agent() {
  const bool allowed = connection_.settings().agent_forwarding && connection_.login().agent_forwarding;
  if (!allowed || agent_asked_ || !connection_.makers().agent_request) return RequestAnswer::failure;
  agent_asked_ = agent_awaited_ = true;
  connection_.makers().agent_request(connection_, [self = std::weak_ptr(self_)](bool granted, uint32_t handle) {
    if (const auto session = self.lock()) (*session)->take_agent(granted, handle);
  });
  // It may have been answered inside the call; the list of requests has it either way.
  return RequestAnswer::later;
}

void SessionService::take_agent(bool granted, uint32_t handle) {
  if (!agent_awaited_) return;
  agent_awaited_ = false;
  if (granted) agent_handle_ = handle;
  if (over_) return;
  channel_->answer(granted);
  if (!wanted_) return;
  const Wanted wanted = *std::exchange(wanted_, std::nullopt);
  const RequestAnswer answer = start(wanted);
  if (!inner_) channel_->consumed(early_.clear());
  if (answer != RequestAnswer::later) channel_->answer(answer == RequestAnswer::success);
  channel_->ask_turn();
}

// Section 6.5.
RequestAnswer SessionService::begin(const ChannelRequest& request) {
  WireReader reader(request.extra);
  Wanted wanted{ProgramKind::login_shell, ""};
  if (request.name != "shell") {
    wanted.kind = request.name == "exec" ? ProgramKind::shell_command : ProgramKind::subsystem;
    wanted.words = reader.text();
  }
  if (!reader.ok()) return RequestAnswer::failure;
  if (!agent_awaited_) return start(wanted);
  wanted_ = std::move(wanted);
  return RequestAnswer::later;
}

RequestAnswer SessionService::start(const Wanted& wanted) {
  const ServiceSettings& settings = connection_.settings();
  const auto& forced = connection_.login().forced_command;
  const auto& makers = connection_.makers();
  const bool asks_sftp = wanted.kind == ProgramKind::subsystem && wanted.words == "sftp" && !forced;
  if (is_internal_sftp(forced) || asks_sftp) {
    if (!settings.sftp_enabled) return RequestAnswer::failure;
    if (makers.sftp) {
      tell("Sftp-Subsystem");
      return run_inside(makers.sftp(connection_));
    }
  }
  if (wanted.kind == ProgramKind::shell_command && !forced && makers.scp) {
    // Off means that the system's program does not stand in for it.
    if (auto service = makers.scp(connection_, wanted.words)) {
      if (debugging(kDebugScp)) {
        const std::string what = settings.scp_enabled ? "SCP: command '" : "SCP: not enabled, or not for this user: '";
        connection_.tell_debug(kDebugScp, what + log_text(wanted.words) + "' of " + connection_.login().user);
      }
      if (!settings.scp_enabled) return RequestAnswer::failure;
      tell("Scp");
      return run_inside(std::move(service));
    }
  }
  const bool runs_commands = settings.shell_enabled || wanted.kind == ProgramKind::subsystem || forced;
  return runs_commands ? spawn(wanted) : RequestAnswer::failure;
}

RequestAnswer SessionService::run_inside(std::unique_ptr<Service> service) {
  if (!service) return RequestAnswer::failure;
  inner_ = std::move(service);
  attach_inner();
  return RequestAnswer::success;
}

// What was said before it was there comes now, in the same order.
void SessionService::attach_inner() {
  inner_->attach(*channel_);
  while (!early_.empty()) {
    std::array<iovec, 64> places;
    std::array<MutableBytes, 64> pieces;
    const size_t count = early_.front(places);
    for (size_t i = 0; i < count; ++i) pieces[i] = {static_cast<uint8_t*>(places[i].iov_base), places[i].iov_len};
    const auto given = std::span<const MutableBytes>(pieces).first(count);
    inner_->on_data(given);
    early_.drop(sum(given));
  }
  if (eof_received_) inner_->on_eof();
}

RequestAnswer SessionService::spawn(const Wanted& wanted) {
  SpawnProgram program = spawn_;
  program.kind = wanted.kind;
  if (wanted.kind != ProgramKind::login_shell) program.words = {wanted.words};
  program.agent = agent_handle_;
  tell(wanted.kind == ProgramKind::login_shell     ? "Command-Line-Interface"
       : wanted.kind == ProgramKind::shell_command ? "Exec-Command"
                                                   : wanted.words + "-Subsystem");
  inner_ = std::make_unique<ProgramService>(connection_, std::move(program), [this] { inner_refused_ = true; });
  attach_inner();
  return RequestAnswer::later;
}

// Not inside its own call.
void SessionService::drop_refused() {
  if (!inner_refused_) return;
  inner_refused_ = false;
  inner_.reset();
}

void SessionService::on_data(std::span<const MutableBytes> pieces) {
  moved_ = true;
  drop_refused();
  if (inner_) return inner_->on_data(pieces);
  // Before a program was asked for nobody will read it.
  if (!wanted_) return channel_->consumed(sum(pieces));
  for (const MutableBytes& piece : pieces) early_.append(piece);
}

void SessionService::on_stderr(Bytes data) {
  if (!inner_) return channel_->consumed(data.size());
  inner_->on_stderr(data);
}

void SessionService::on_reply(bool success) {
  if (inner_) inner_->on_reply(success);
}

void SessionService::on_eof() {
  eof_received_ = true;
  if (inner_) inner_->on_eof();
}

void SessionService::on_close() {
  over_ = true;
  if (inner_) inner_->on_close();
}

void SessionService::on_turn() {
  drop_refused();
  if (inner_) inner_->on_turn();
  // The window moves with all that is sent, and with what the peer says of what it read.
  if (channel_->window() != window_seen_) {
    window_seen_ = channel_->window();
    moved_ = true;
  }
}

bool SessionService::on_idle_look(uint64_t now_ns) {
  const bool moved = std::exchange(moved_, false) || moved_ns_ == 0;
  if (moved) moved_ns_ = now_ns;
  const uint64_t limit = connection_.settings().idle_channel_ns;
  if (over_ || limit == 0 || now_ns - moved_ns_ < limit) return moved;
  over_ = true;
  connection_.log(LogLevel::info, "A channel of " + connection_.login().user + " was closed: nothing moved on it");
  // With everything that it has: the peer may take its time to close too.
  inner_.reset();
  channel_->close();
  return false;
}

}  // namespace sluice
