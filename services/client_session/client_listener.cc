// accept4(), and SOCKS before there is a channel.
#include "services/client_session/client_listener.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "services/client_session/client_stream.h"

namespace sluice {
namespace {

constexpr size_t kAcceptsPerTurn = 16;

struct Origin {
  std::string address;
  uint32_t port = 0;
};

Origin origin_of(const sockaddr_storage& from) {
  char text[INET6_ADDRSTRLEN] = {};
  if (from.ss_family == AF_INET) {
    const auto& four = reinterpret_cast<const sockaddr_in&>(from);
    ::inet_ntop(AF_INET, &four.sin_addr, text, sizeof text);
    return {text, ntohs(four.sin_port)};
  }
  if (from.ss_family == AF_INET6) {
    const auto& six = reinterpret_cast<const sockaddr_in6&>(from);
    ::inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof text);
    return {text, ntohs(six.sin6_port)};
  }
  return {"127.0.0.1", 65535};
}

std::string shown(const StreamTarget& target) {
  return target.kind == StreamTarget::Kind::path
             ? target.name
             : std::string(target.name).append(":").append(std::to_string(target.port));
}

}  // namespace

// A client of SOCKS until it has said where to.
class ClientListener::Handshake final : public Watcher {
 public:
  Handshake(ClientChannels& channels, UniqueFd socket, Origin origin)
      : channels_(channels), socket_(std::move(socket)), origin_(std::move(origin)) {
    channels_.host().watch(socket_.get(), *this);
  }
  ~Handshake() override {
    if (socket_) channels_.host().unwatch(socket_.get());
  }

  // False: it is over, one way or the other.
  bool on_turn() {
    while (ready_) {
      uint8_t bytes[512];
      const ssize_t n = ::read(socket_.get(), bytes, sizeof bytes);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) ready_ = false;
      if (n < 0 && errno == EAGAIN) break;
      if (n <= 0) return false;
      std::vector<uint8_t> reply;
      const auto state = parser_.take({bytes, static_cast<size_t>(n)}, reply);
      if (!reply.empty() && ::write(socket_.get(), reply.data(), reply.size()) < 0) return false;
      if (state == SocksParser::State::refused) return false;
      if (state == SocksParser::State::ready) return open(), false;
    }
    return true;
  }

 private:
  void on_ready(uint32_t) override { ready_ = true; }

  void open() {
    channels_.host().unwatch(socket_.get());
    const StreamTarget target{StreamTarget::Kind::tcp, parser_.host(), parser_.port()};
    const Bytes rest = parser_.rest();
    auto service = std::make_unique<SocksStream>(channels_, joined({"socks to ", shown(target)}), std::move(socket_),
                                                 parser_.answer(true), parser_.answer(false),
                                                 std::vector<uint8_t>(rest.begin(), rest.end()));
    channels_.start("direct-tcpip", direct_open_fields(target, origin_.address, origin_.port), std::move(service));
  }

  ClientChannels& channels_;
  UniqueFd socket_;
  Origin origin_;
  SocksParser parser_;
  bool ready_ = true;
};

ClientListener::ClientListener(ClientChannels& channels, UniqueFd listener, StreamTarget target)
    : channels_(channels), listener_(std::move(listener)), target_(std::move(target)) {
  channels_.host().watch(listener_.get(), *this);
}

ClientListener::~ClientListener() {
  handshakes_.clear();
  channels_.host().unwatch(listener_.get());
}

void ClientListener::on_turn() {
  for (auto one = handshakes_.begin(); one != handshakes_.end();) {
    one = (*one)->on_turn() ? std::next(one) : handshakes_.erase(one);
  }
  for (size_t i = 0; i < kAcceptsPerTurn && ready_; ++i) {
    if (!accept_one()) return;
  }
  if (ready_) channels_.host().ask_turn();
}

// False: not now.
bool ClientListener::accept_one() {
  if (handshakes_.size() >= kMaxSocksHandshakes) return false;
  sockaddr_storage from{};
  socklen_t size = sizeof from;
  UniqueFd socket(::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!socket) {
    const bool out_of_room = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    if (errno == EAGAIN) ready_ = false;
    return errno != EAGAIN && !out_of_room;
  }
  const Origin origin = origin_of(from);
  if (target_.kind == StreamTarget::Kind::socks) {
    handshakes_.push_back(std::make_unique<Handshake>(channels_, std::move(socket), origin));
    if (!handshakes_.back()->on_turn()) handshakes_.pop_back();
    return true;
  }
  open(std::move(socket), origin.address, origin.port);
  return true;
}

void ClientListener::open(UniqueFd socket, const std::string& from, uint32_t port) {
  std::string name("forwarding to ");
  auto service = std::make_unique<DirectStream>(channels_, name.append(shown(target_)), StreamEnds(std::move(socket)));
  channels_.start(direct_open_type(target_), direct_open_fields(target_, from, port), std::move(service));
}

}  // namespace sluice
