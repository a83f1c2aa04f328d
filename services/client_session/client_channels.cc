// Orders in, notes out, and the server's opens.
#include "services/client_session/client_channels.h"

#include <algorithm>

#include "base/clock.h"
#include "base/log.h"
#include "base/wire.h"
#include "services/client_session/client_listener.h"
#include "services/client_session/client_session.h"
#include "services/client_session/client_stream.h"
#include "services/client_session/x11_stream.h"

namespace sluice {
namespace {

OpenDecision refuse(OpenFailure reason, std::string_view text) { return {nullptr, false, {reason, text}}; }

}  // namespace

ClientChannels::ClientChannels(std::shared_ptr<ClientMailbox> mailbox) : mailbox_(std::move(mailbox)) {}
ClientChannels::~ClientChannels() = default;

void ClientChannels::attach(ChannelHost& host) {
  host_ = &host;
  take_orders();
}

void ClientChannels::on_note(SinkNote&&) {
  take_orders();
  host_->ask_turn();
}

void ClientChannels::take_orders() {
  while (auto order = mailbox_->take()) (*order)(*this);
}

void ClientChannels::on_turn() {
  for (auto& [id, listener] : listeners_) listener->on_turn();
  if (!had_session_ || idle_told_ || !sessions_.empty() || host_->channels() != 0) return;
  idle_told_ = true;
  tell(ClientNote::idle, 0);
}

bool ClientChannels::start(std::string_view type, Bytes extra, std::unique_ptr<Service> service) {
  idle_told_ = false;
  return host_->open(type, extra, std::move(service));
}

void ClientChannels::listen(uint32_t id, UniqueFd descriptor, StreamTarget target) {
  listeners_[id] = std::make_unique<ClientListener>(*this, std::move(descriptor), std::move(target));
  host_->ask_turn();
}

void ClientChannels::unlisten(uint32_t id) { listeners_.erase(id); }

void ClientChannels::remove_remote(bool is_path, std::string_view listen, uint32_t port) {
  std::erase_if(remote_, [&](const RemoteRule& rule) {
    return rule.is_path == is_path && rule.listen == listen && rule.port == port;
  });
}

void ClientChannels::take_connection(uint32_t ticket, UniqueFd descriptor) {
  const auto found = waiting_.find(ticket);
  if (found == waiting_.end()) return;
  const auto then = std::move(found->second.then);
  waiting_.erase(found);
  then(std::move(descriptor));
  host_->ask_turn();
}

ClientSession* ClientChannels::session(uint32_t id) {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : found->second;
}

void ClientChannels::know(uint32_t id, ClientSession* session) {
  if (session == nullptr) {
    sessions_.erase(id);
    return gone();
  }
  had_session_ = true;
  sessions_[id] = session;
}

void ClientChannels::know_stream(uint32_t id, std::function<void()> close) {
  if (close) {
    had_session_ = true;
    streams_[id] = std::move(close);
  } else {
    streams_.erase(id);
  }
}

void ClientChannels::close_session(uint32_t id) {
  if (ClientSession* open = session(id)) open->hang_up();
  const auto stream = streams_.find(id);
  if (stream != streams_.end()) stream->second();
  host_->ask_turn();
}

void ClientChannels::gone() { host_->ask_turn(); }

void ClientChannels::name(const void* service, std::string text) { names_[service] = std::move(text); }

void ClientChannels::forget(const void* service) {
  names_.erase(service);
  std::erase_if(waiting_, [&](const auto& one) { return one.second.who == service; });
}

std::string ClientChannels::list() const {
  std::string text("The following connections are open:\r\n");
  size_t number = 0;
  for (const auto& [service, name] : names_) {
    text.append("  #").append(std::to_string(number++)).append(" ").append(name).append("\r\n");
  }
  return text;
}

void ClientChannels::tell(ClientNote kind, uint32_t id, std::vector<uint8_t> bytes) {
  host_->tell_control({static_cast<uint32_t>(kind), id, std::move(bytes), UniqueFd()});
}

void ClientChannels::say(std::string text) {
  tell(ClientNote::say, static_cast<uint32_t>(LogLevel::notice), {text.begin(), text.end()});
}

void ClientChannels::connect(const void* who, const StreamTarget& target, std::function<void(UniqueFd)> then) {
  const uint32_t ticket = ++last_ticket_;
  waiting_[ticket] = {who, std::move(then)};
  WireWriter bytes;
  bytes.u8(target.kind == StreamTarget::Kind::tcp ? 1 : 0).string(target.name).u32(target.port);
  tell(ClientNote::connect, ticket, bytes.take());
}

OpenDecision ClientChannels::open(std::string_view type, Bytes extra) {
  if (type == "forwarded-tcpip") return take_forwarded(false, extra);
  if (type == "forwarded-streamlocal@openssh.com") return take_forwarded(true, extra);
  if (type == "auth-agent@openssh.com") {
    if (agent_path_.empty()) {
      say("Warning: the server asked for the agent, which is not forwarded: refused.");
      return refuse(OpenFailure::administratively_prohibited, "the agent is not forwarded");
    }
    return {std::make_unique<PendingStream>(*this, StreamTarget{StreamTarget::Kind::path, agent_path_, 0},
                                            "agent connection"),
            true,
            {}};
  }
  if (type == "x11") return take_x11();
  return refuse(OpenFailure::unknown_channel_type, "unknown channel type");
}

void ClientChannels::forward_x11(X11Display display) { x11_ = std::make_unique<X11Display>(std::move(display)); }

// RFC 4254 section 6.3.2. Who it is from is the server's word and nothing to us: the cookie decides.
OpenDecision ClientChannels::take_x11() {
  if (!x11_) {
    say("Warning: the server asked for X11, which is not forwarded: refused.");
    return refuse(OpenFailure::administratively_prohibited, "X11 is not forwarded");
  }
  if (monotonic_clock().now_ns() >= x11_->until_ns) {
    say("Rejected X11 connection after ForwardX11Timeout expired.");
    return refuse(OpenFailure::administratively_prohibited, "X11 was forwarded for some time only");
  }
  return {std::make_unique<X11Stream>(*this, *x11_), false, {}};
}

// RFC 4254 section 7.2; OpenSSH's PROTOCOL, section 2.4.
OpenDecision ClientChannels::take_forwarded(bool is_path, Bytes extra) {
  WireReader reader(extra);
  const std::string listen(reader.text());
  const uint32_t port = is_path ? 0 : reader.u32();
  std::string from(reader.text());
  if (!is_path) from.append(" port ").append(std::to_string(reader.u32()));
  if (!reader.ok()) return refuse(OpenFailure::connect_failed, "malformed");
  const auto fits = [&](const RemoteRule& rule, bool by_name) {
    return rule.is_path == is_path && rule.port == port && (!by_name || rule.listen == listen);
  };
  auto rule = std::find_if(remote_.begin(), remote_.end(), [&](const RemoteRule& one) { return fits(one, true); });
  // Servers write the address that they bound, which need not be the one that was asked for.
  if (rule == remote_.end() && !is_path) {
    rule = std::find_if(remote_.begin(), remote_.end(), [&](const RemoteRule& one) { return fits(one, false); });
  }
  if (rule == remote_.end()) {
    say("Warning: the server asked for a forwarding that was not wished for: refused.");
    return refuse(OpenFailure::administratively_prohibited, "not asked for");
  }
  std::string shown("forwarded ");
  for (const char c : listen) shown.push_back(c >= 32 && c < 127 ? c : '?');
  if (!is_path) shown.append(" port ").append(std::to_string(port));
  if (rule->target.kind == StreamTarget::Kind::socks) {
    return {std::make_unique<ServerSocksStream>(*this, rule->permitted, std::move(shown)), false, {}};
  }
  return {std::make_unique<PendingStream>(*this, rule->target, std::move(shown)), true, {}};
}

std::string_view direct_open_type(const StreamTarget& target) {
  return target.kind == StreamTarget::Kind::path ? "direct-streamlocal@openssh.com" : "direct-tcpip";
}

std::vector<uint8_t> direct_open_fields(const StreamTarget& target, std::string_view from, uint32_t from_port) {
  WireWriter out;
  out.string(target.name);
  if (target.kind != StreamTarget::Kind::path) out.u32(target.port);
  if (target.kind == StreamTarget::Kind::path) return out.string("").u32(0).take();
  return out.string(from).u32(from_port).take();
}

}  // namespace sluice
