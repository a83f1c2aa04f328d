// Both ends, and sockets beside them.
#include "tests/unit/forward/forward_world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <csignal>

#include "base/wire.h"
#include "services/connection/connection_notes.h"

namespace sluice::test {
namespace {

class ClientEnd final : public StreamService {
 public:
  ClientEnd(StreamCounts& counts, UniqueFd socket, std::shared_ptr<ClientStream> facts)
      : StreamService(counts, StreamEnds(std::move(socket))), facts_(std::move(facts)) {}
  ~ClientEnd() override { facts_->gone = true; }
  void on_confirmed(Bytes) override { facts_->confirmed = true; }
  void on_refused(OpenFailure reason, std::string_view) override { facts_->refused = reason; }

 private:
  std::shared_ptr<ClientStream> facts_;
};

}  // namespace

class ForwardWorld::ClientOpener final : public ChannelOpener {
 public:
  explicit ClientOpener(ForwardWorld& world) : world_(world) {}
  void attach(ChannelHost& host) override { world_.client_host_ = &host; }
  OpenDecision open(std::string_view type, Bytes extra) override {
    if (!world_.take_forwarded) return {nullptr, false, {OpenFailure::connect_failed, "not wanted"}};
    auto [ours, theirs] = stream_pair();
    world_.forwarded.push_back({std::string(type), {extra.begin(), extra.end()}, std::move(ours)});
    return {std::make_unique<ClientEnd>(world_.client_counts, std::move(theirs), std::make_shared<ClientStream>()),
            false,
            {}};
  }

 private:
  ForwardWorld& world_;
};

ForwardWorld::ForwardWorld() {
  ::signal(SIGPIPE, SIG_IGN);
  settings.local_forwarding = settings.remote_forwarding = settings.streamlocal_forwarding = true;
  policy.connect_tcp = policy.listen_tcp = policy.connect_unix = policy.listen_unix = policy.agent = true;
  add_forwarding(makers_);
}

ForwardWorld::~ForwardWorld() {
  pair_.reset();
  broker_.reset();
}

TablePair& ForwardWorld::pair() {
  if (pair_) return *pair_;
  broker_ = std::make_unique<BrokerFixture>(own_identity(folder.path()), policy);
  auto server = std::make_unique<ConnectionServices>(makers_, std::make_shared<ServiceSettings>(settings), login);
  services = server.get();
  pair_ = std::make_unique<TablePair>(std::move(server), std::make_unique<ClientOpener>(*this), limits);
  return *pair_;
}

// As control does: gives the broker when it is asked for.
void ForwardWorld::serve_notes() {
  auto& notes = pair().server_sender.watches.notes;
  for (; !notes.empty(); notes.pop_front()) {
    const auto kind = static_cast<ConnectionNote>(notes.front().kind);
    if (kind == ConnectionNote::want_broker) {
      SinkNote note;
      note.kind = static_cast<uint32_t>(ConnectionNote::broker);
      note.descriptor = broker_->take_link();
      pair().server->on_note(std::move(note));
    } else if (kind == ConnectionNote::global_success || kind == ConnectionNote::global_failure) {
      answers_.push_back(std::move(notes.front()));
    } else if (kind == ConnectionNote::log) {
      log_lines.emplace_back(text_of(notes.front().bytes));
    }
  }
}

bool ForwardWorld::settle(const std::function<bool()>& holds) {
  return pair().until([&] { return serve_notes(), holds(); });
}

std::string ForwardWorld::spawn_with_agent(uint32_t handle, const std::string& command) {
  std::vector<UniqueFd> streams;
  const BrokerCaller caller(services->broker());
  SpawnProgram spawn;
  spawn.kind = ProgramKind::shell_command;
  spawn.words = {command};
  spawn.agent = handle;
  services->broker().ask(caller, spawn, [&](BrokerReceived&& received) { streams = std::move(received.descriptors); });
  EXPECT_TRUE(settle([&] { return !streams.empty(); }));
  std::string out;
  bool ended = false;
  EXPECT_TRUE(settle([&] {
    char buffer[256];
    const ssize_t n = streams.size() == 3 ? ::read(streams[1].get(), buffer, sizeof buffer) : 0;
    if (n > 0) out.append(buffer, static_cast<size_t>(n));
    ended |= n == 0;
    return ended;
  }));
  return out;
}

std::shared_ptr<ClientStream> ForwardWorld::open(std::string_view type, Bytes extra, UniqueFd socket) {
  pair();
  auto facts = std::make_shared<ClientStream>();
  client_host_->open(type, extra, std::make_unique<ClientEnd>(client_counts, std::move(socket), facts));
  EXPECT_TRUE(settle([&] { return facts->confirmed || facts->gone; }));
  return facts;
}

std::shared_ptr<ClientStream> ForwardWorld::open_tcp(std::string_view host, uint32_t port, UniqueFd socket) {
  return open("direct-tcpip", direct_extra(host, port), std::move(socket));
}

uint32_t ForwardWorld::send_global(std::string_view name, Bytes extra) {
  SinkNote note;
  note.kind = static_cast<uint32_t>(ConnectionNote::global_request);
  note.id = ++last_request_;
  note.bytes = WireWriter().string(name).raw(extra).take();
  pair().server->on_note(std::move(note));
  return last_request_;
}

std::optional<SinkNote> ForwardWorld::answer_to(uint32_t request) {
  const auto find = [&] {
    return std::find_if(answers_.begin(), answers_.end(), [&](const SinkNote& note) { return note.id == request; });
  };
  EXPECT_TRUE(settle([&] { return find() != answers_.end(); }));
  const auto found = find();
  if (found == answers_.end()) return std::nullopt;
  SinkNote answer = std::move(*found);
  answers_.erase(found);
  return answer;
}

std::optional<std::vector<uint8_t>> ForwardWorld::ask_global(std::string_view name, Bytes extra) {
  auto answer = answer_to(send_global(name, extra));
  if (!answer || answer->kind == static_cast<uint32_t>(ConnectionNote::global_failure)) return std::nullopt;
  return std::move(answer->bytes);
}

std::pair<UniqueFd, UniqueFd> stream_pair() {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

std::pair<UniqueFd, uint16_t> loopback_listener() {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::listen(socket.get(), 64), 0);
  EXPECT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  return {std::move(socket), ntohs(address.sin_port)};
}

UniqueFd accept_from(int listener) {
  return UniqueFd(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

UniqueFd connect_to(uint16_t port) {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return {};
  return socket;
}

std::optional<std::string> read_some(int socket) {
  std::string out;
  std::string buffer(65536, '\0');
  for (;;) {
    const ssize_t n = ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n > 0) {
      out.append(buffer, 0, static_cast<size_t>(n));
    } else if (n == 0 && out.empty()) {
      return std::nullopt;
    } else {
      return out;
    }
  }
}

size_t write_some(int socket, std::string_view bytes) {
  const ssize_t n = ::send(socket, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  return n > 0 ? static_cast<size_t>(n) : 0;
}

std::vector<uint8_t> direct_extra(std::string_view host, uint32_t port, std::string_view origin) {
  return WireWriter().string(host).u32(port).string(origin).u32(4711).take();
}

}  // namespace sluice::test
