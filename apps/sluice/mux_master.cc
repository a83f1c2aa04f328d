// Packets of each client, then its descriptors, then its session.
#include "apps/sluice/mux_master.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

#include "apps/sluice/mux_requests.h"
#include "base/log.h"
#include "base/wire.h"
#include "control/keys/words.h"
#include "services/client_session/standard_end.h"
#include "services/shell/terminal_modes.h"

namespace sluice {
namespace {

// What a user is asked to allow: which end listens, where, and where to.
std::string forward_in_words(const ForwardSpec& spec) {
  std::string text = spec.kind == ForwardKind::remote ? "the server's " : "our ";
  text.append(spec.listen.text()).append(" to ").append(spec.target ? spec.target->text() : "wherever SOCKS says");
  return printable(text);
}

}  // namespace

struct MuxMaster::Client {
  UniqueFd socket;
  std::vector<uint8_t> packet;  // length and what has come of it
  bool greeted = false;
  // A session that waits for its descriptors.
  size_t descriptors_due = 0;
  std::vector<UniqueFd> descriptors;
  SessionSpec spec;
  std::optional<StreamTarget> stream;
  uint32_t request = 0;
  uint32_t session = 0;  // 0: none
  bool opened = false;
  bool waits = false;  // for the user's consent
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);
};

MuxMaster::MuxMaster(UniqueFd listener, std::string path, Around around)
    : listener_(std::move(listener)), path_(std::move(path)), around_(std::move(around)) {
  around_.channels.run().loop().watch(listener_.get(), [this] { accept_all(); });
}

MuxMaster::~MuxMaster() {
  *alive_ = false;
  for (Client& client : clients_) {
    *client.alive = false;
    if (!client.waits) around_.channels.run().loop().unwatch(client.socket.get());
  }
  stop_listening();
}

void MuxMaster::stop_listening() {
  if (!listener_) return;
  around_.channels.run().loop().unwatch(listener_.get());
  listener_.reset();
  ::unlink(path_.c_str());
}

void MuxMaster::accept_all() {
  for (;;) {
    UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) return;
    ucred peer{};
    socklen_t size = sizeof peer;
    ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size);
    if ((peer.uid != ::geteuid() && peer.uid != 0) || clients_.size() >= kMaxMuxClients) continue;
    Client& client = clients_.emplace_back();
    client.socket = std::move(socket);
    around_.channels.run().loop().watch(client.socket.get(), [this, &client] { read(client); });
    send(client, WireWriter().u32(static_cast<uint32_t>(MuxMessage::hello)).u32(kMuxVersion).view());
    around_.clients_changed();
  }
}

void MuxMaster::read(Client& client) {
  const std::shared_ptr<bool> alive = client.alive;
  while (*alive && !client.waits) {
    if (client.descriptors_due > 0) {
      UniqueFd descriptor = receive_mux_descriptor(client.socket.get());
      if (!descriptor && errno == EAGAIN) return;
      if (!descriptor) return drop(client);
      client.descriptors.push_back(std::move(descriptor));
      if (--client.descriptors_due == 0) {
        with_consent(client, "Allow shared connection to " + around_.options.host + "? ", client.request,
                     [this, &client] { open_session(client); });
      }
      continue;
    }
    if (!read_packet(client)) return;
  }
}

// Exactly one packet, so that the bytes that carry descriptors stay where they are. False: enough for now.
bool MuxMaster::read_packet(Client& client) {
  std::vector<uint8_t>& packet = client.packet;
  const size_t had = packet.size();
  size_t wanted = 4;
  if (had >= 4) wanted = size_t{4} + load_be32(packet.data());
  if (wanted > kMaxMuxMessage) return drop(client), false;
  if (had < wanted) {
    packet.resize(wanted);
    ssize_t n;
    do n = ::recv(client.socket.get(), packet.data() + had, wanted - had, 0);
    while (n < 0 && errno == EINTR);
    const bool later = n < 0 && errno == EAGAIN;
    packet.resize(had + static_cast<size_t>(std::max<ssize_t>(n, 0)));
    if (later) return false;
    if (n <= 0) return drop(client), false;
  }
  if (packet.size() < 4 || packet.size() < size_t{4} + load_be32(packet.data())) return true;
  const std::vector<uint8_t> message(packet.begin() + 4, packet.end());
  packet.clear();
  const std::shared_ptr<bool> alive = client.alive;
  if (!handle(client, message) && *alive) drop(client);
  return *alive;
}

bool MuxMaster::handle(Client& client, Bytes message) {
  WireReader reader(message);
  const auto type = static_cast<MuxMessage>(reader.u32());
  const uint32_t request = reader.u32();
  if (!reader.ok()) return false;
  if (type == MuxMessage::hello) return std::exchange(client.greeted, true) == false && request == kMuxVersion;
  if (!client.greeted || client.session != 0) return false;
  const std::string& host = around_.options.host;
  const auto later = [this, &client, type, request, copy = std::vector<uint8_t>(message.begin(), message.end())] {
    obey(client, type, request, copy);
  };
  switch (type) {
    case MuxMessage::alive_check:
      send(client, WireWriter()
                       .u32(static_cast<uint32_t>(MuxMessage::alive))
                       .u32(request)
                       .u32(static_cast<uint32_t>(::getpid()))
                       .view());
      return true;
    // Asked about when its descriptors have come, which lie between the packets.
    case MuxMessage::new_session:
    case MuxMessage::new_stdio_forward: return take_session(client, message);
    case MuxMessage::terminate:
      return with_consent(client, "Terminate shared connection to " + host + "? ", request, later), true;
    case MuxMessage::stop_listening:
      return with_consent(client, "Stop sharing the connection to " + host + "? ", request, later), true;
    case MuxMessage::open_forward:
    case MuxMessage::close_forward: {
      const auto forwarding = read_mux_forwarding(message);
      if (!forwarding) return false;
      const std::string what = forward_in_words(forwarding->spec);
      const bool open = type == MuxMessage::open_forward;
      const std::string question =
          (open ? "Forward " : "End the forwarding of ") + what + " through the shared connection to " + host + "? ";
      return with_consent(client, question, request, later), true;
    }
    default: refuse(client, request, "unsupported request"); return true;
  }
}

void MuxMaster::obey(Client& client, MuxMessage type, uint32_t request, Bytes message) {
  const auto ok = WireWriter().u32(static_cast<uint32_t>(MuxMessage::ok)).u32(request).take();
  switch (type) {
    case MuxMessage::terminate: send(client, ok); return around_.terminate();
    case MuxMessage::stop_listening: send(client, ok); return stop_listening();
    default:
      if (!take_forward(client, message, type == MuxMessage::open_forward)) drop(client);
  }
}

void MuxMaster::with_consent(Client& client, const std::string& what, uint32_t request, std::function<void()> action) {
  if (!around_.ask) return action();
  client.waits = true;
  around_.channels.run().loop().unwatch(client.socket.get());
  questions_.push_back({&client, client.alive, what, request, std::move(action)});
  if (questions_.size() == 1) ask_next();
}

void MuxMaster::ask_next() {
  if (questions_.empty()) return;
  around_.ask(questions_.front().text, [this, alive = alive_, client = questions_.front().alive](bool yes) {
    if (*alive) take_consent(client, yes);
  });
}

void MuxMaster::take_consent(const std::shared_ptr<bool>& alive, bool yes) {
  const Question question = std::move(questions_.front());
  questions_.pop_front();
  if (*alive) {
    Client& client = *question.client;
    client.waits = false;
    around_.channels.run().loop().watch(client.socket.get(), [this, &client] { read(client); });
    if (yes) {
      question.action();
    } else {
      client.descriptors.clear();
      send(client, WireWriter()
                       .u32(static_cast<uint32_t>(MuxMessage::permission_denied))
                       .u32(question.request)
                       .string("Permission denied")
                       .view());
    }
  }
  ask_next();
}

bool MuxMaster::take_session(Client& client, Bytes message) {
  auto asked = read_mux_session(message);
  if (!asked) return false;
  client.request = asked->request;
  client.spec = std::move(asked->spec);
  client.spec.forward_agent = asked->wants_agent && !around_.options.session.agent_to_forward.empty();
  client.stream = std::move(asked->stream);
  client.descriptors_due = client.stream ? 2 : 3;
  return true;
}

void MuxMaster::open_session(Client& client) {
  client.session = around_.channels.new_id();
  client.opened = false;
  std::vector<UniqueFd>& ends = client.descriptors;
  if (client.stream) {
    auto input = open_standard_end(ends[0].get(), false);
    auto output = open_standard_end(ends[1].get(), true);
    ends.clear();
    return around_.channels.start_stream(client.session, *client.stream, std::move(input.descriptor),
                                         std::move(output.descriptor));
  }
  SessionSpec& spec = client.spec;
  if (spec.terminal) {
    winsize size{};
    if (::ioctl(ends[0].get(), TIOCGWINSZ, &size) == 0) {
      spec.size = {size.ws_col, size.ws_row, size.ws_xpixel, size.ws_ypixel};
    }
    termios modes{};
    if (::tcgetattr(ends[0].get(), &modes) == 0) spec.modes = encode_terminal_modes(modes);
  }
  spec.escape_command_line = false;
  SessionStreams streams{std::move(open_standard_end(ends[0].get(), false).descriptor),
                         std::move(open_standard_end(ends[1].get(), true).descriptor),
                         std::move(open_standard_end(ends[2].get(), true).descriptor)};
  // The terminal's size is asked for again later; the others' originals would keep a pipe open.
  ends.resize(spec.terminal ? 1 : 0);
  around_.channels.start_session(client.session, spec, std::move(streams));
}

bool MuxMaster::take(ClientNote kind, uint32_t id, Bytes bytes) {
  for (Client& client : clients_) {
    if (client.session != id || id == 0) continue;
    WireReader reader(bytes);
    const auto head = [&](MuxMessage type, uint32_t number) {
      return WireWriter().u32(static_cast<uint32_t>(type)).u32(number);
    };
    if (kind == ClientNote::session_ready) {
      client.opened = true;
      send(client, head(MuxMessage::session_opened, client.request).u32(id).view());
    } else if (kind == ClientNote::session_failed) {
      if (!client.opened) refuse(client, client.request, text_of(bytes));
      drop(client);
    } else if (kind == ClientNote::session_ended) {
      const uint32_t status = reader.u32();
      if (reader.u8() != 0) send(client, head(MuxMessage::exit_message, id).u32(status).view());
      client.session = 0;
      drop(client);
    } else if (kind == ClientNote::escape) {
      const auto order = static_cast<EscapeOrder>(reader.u8());
      if (order == EscapeOrder::disconnect) drop(client);
      if (order == EscapeOrder::rekey) around_.channels.run().loop().rekey(around_.channels.link());
    }
    return true;
  }
  return false;
}

bool MuxMaster::take_forward(Client& client, Bytes message, bool open) {
  const auto asked = read_mux_forwarding(message);
  if (!asked) return false;
  const ForwardSpec& spec = asked->spec;
  const bool tell_port = open && spec.kind == ForwardKind::remote && !spec.listen.is_path() && spec.listen.port == 0;
  auto then = [this, alive = client.alive, &client, request = asked->request,
               tell_port](const ResultOrText<uint32_t>& outcome) {
    answer_forward(alive, client, request, outcome, tell_port);
  };
  if (open) {
    around_.forwards.begin(spec, then);
  } else {
    around_.forwards.end(spec, then);
  }
  return true;
}

void MuxMaster::answer_forward(const std::shared_ptr<bool>& alive, Client& client, uint32_t request,
                               const ResultOrText<uint32_t>& outcome, bool tell_port) {
  if (!*alive) return;
  if (!outcome) return refuse(client, request, outcome.error());
  WireWriter answer;
  if (tell_port) {
    answer.u32(static_cast<uint32_t>(MuxMessage::remote_port)).u32(request).u32(*outcome);
  } else {
    answer.u32(static_cast<uint32_t>(MuxMessage::ok)).u32(request);
  }
  send(client, answer.view());
}

void MuxMaster::look_at_terminals() {
  for (const Client& client : clients_) {
    if (client.session == 0 || client.descriptors.empty()) continue;
    winsize size{};
    if (::ioctl(client.descriptors[0].get(), TIOCGWINSZ, &size) != 0) continue;
    const WindowSize now{size.ws_col, size.ws_row, size.ws_xpixel, size.ws_ypixel};
    around_.channels.order([id = client.session, now](ClientChannels& channels) {
      if (ClientSession* session = channels.session(id)) session->resize(now);
    });
  }
}

// Answers are small and each has been asked for: a client that does not read them has no use for a session.
void MuxMaster::send(Client& client, Bytes message) {
  const auto packet = mux_packet(message);
  [[maybe_unused]] const ssize_t n = ::send(client.socket.get(), packet.data(), packet.size(), MSG_NOSIGNAL);
}

void MuxMaster::refuse(Client& client, uint32_t request, std::string_view why) {
  send(client, WireWriter().u32(static_cast<uint32_t>(MuxMessage::failure)).u32(request).string(why).view());
}

void MuxMaster::drop(Client& client) {
  if (!*client.alive) return;
  *client.alive = false;
  if (!client.waits) around_.channels.run().loop().unwatch(client.socket.get());
  if (client.session != 0) {
    around_.channels.order([id = client.session](ClientChannels& channels) { channels.close_session(id); });
  }
  // Not here and now: who calls may still hold it.
  around_.channels.run().post([this, alive = client.alive] {
    clients_.remove_if([&](const Client& one) { return one.alive == alive; });
    around_.clients_changed();
  });
}

}  // namespace sluice
