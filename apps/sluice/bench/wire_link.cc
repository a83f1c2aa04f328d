// A port's stack as sluiced's workers turn it; and sockets.
#include "apps/sluice/bench/wire_link.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "apps/port_opening.h"
#include "base/random.h"
#include "base/unique_fd.h"
#include "dataplane/netstack/port_stack.h"
#include "drivers/socket_transport.h"

namespace sluice::bench {
namespace {

constexpr uint64_t kConnectNs = 20'000'000'000;
constexpr uint64_t kFinishNs = 2'000'000'000;
constexpr int kRestMs = 50;

class PortLink final : public WireLink {
 public:
  explicit PortLink(OpenedPort opened) : port_(std::move(opened.port)), net_(std::move(opened.net)) { make(0); }
  ~PortLink() override { stack_->finish(kFinishNs); }

  std::string about() const override { return port_->about(); }
  ResultOrText<void> listen(uint16_t port) override {
    make(port);
    return {};
  }
  std::vector<std::unique_ptr<Transport>> arrivals() override {
    std::vector<std::unique_ptr<Transport>> come;
    for (PortArrival& one : stack_->arrivals()) come.push_back(std::move(one.transport));
    return come;
  }
  ResultOrText<std::unique_ptr<Transport>> connect(const std::string& address, uint16_t port) override {
    const auto to = IpAddress::parse(address);
    if (!to) return fail(address + " is no address");
    std::optional<std::pair<std::unique_ptr<Transport>, TcpEnd>> got;
    stack_->connect({*to, port}, kConnectNs, [&](std::unique_ptr<Transport> transport, IpEndpoints, TcpEnd why) {
      got.emplace(std::move(transport), why);
    });
    while (!got) {
      take_in(nullptr);
      send_out();
    }
    if (!got->first) return fail("nobody answers at " + address + ", port " + std::to_string(port) + " of " + about());
    return std::move(got->first);
  }
  void take_in(Transport*) override { stack_->take_in(); }
  void send_out() override { stack_->send_out(); }
  void rest() override {
    const uint64_t most = std::min<uint64_t>(stack_->may_sleep_ns(), uint64_t{kRestMs} * 1'000'000);
    if (most == 0) return;
    pollfd watched{stack_->descriptor(), POLLIN, 0};
    const timespec time{0, static_cast<long>(most)};
    ::ppoll(&watched, 1, &time, nullptr);
  }

 private:
  void make(uint16_t port) {
    PortStackSettings settings;
    settings.net = net_;
    fill_random(settings.tcp.secret);
    if (port != 0) settings.listen_on = {port};
    stack_.reset();
    stack_ = std::make_unique<PortStack>(port_->queue(0), settings);
  }

  std::unique_ptr<NetPort> port_;
  NetSettings net_;
  std::unique_ptr<PortStack> stack_;
};

class SocketLink final : public WireLink {
 public:
  explicit SocketLink(std::string address) : address_(std::move(address)) {}

  std::string about() const override { return "the kernel's TCP"; }
  ResultOrText<void> listen(uint16_t port) override {
    auto at = place(address_, port);
    if (!at) return fail(at.error());
    listener_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int one = 1;
    ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&*at), sizeof *at) != 0 ||
        ::listen(listener_.get(), SOMAXCONN) != 0)
      return fail("port " + std::to_string(port) + " of " + address_ + ": " + std::strerror(errno));
    return {};
  }
  std::vector<std::unique_ptr<Transport>> arrivals() override {
    std::vector<std::unique_ptr<Transport>> come;
    const int one = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (one >= 0) come.push_back(transport_of(one));
    return come;
  }
  ResultOrText<std::unique_ptr<Transport>> connect(const std::string& address, uint16_t port) override {
    auto at = place(address, port);
    if (!at) return fail(at.error());
    UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*at), sizeof *at) != 0)
      return fail(address + ", port " + std::to_string(port) + ": " + std::strerror(errno));
    return transport_of(socket.release());
  }
  void take_in(Transport* connection) override {
    if (connection != nullptr) connection->receive();
  }
  void send_out() override {}
  void rest() override {
    pollfd watched{listener_.get(), POLLIN, 0};
    ::poll(&watched, 1, kRestMs);
  }

 private:
  static ResultOrText<sockaddr_in> place(const std::string& address, uint16_t port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    if (::inet_pton(AF_INET, address.c_str(), &at.sin_addr) != 1) return fail(address + " is no IPv4 address");
    return at;
  }
  static std::unique_ptr<Transport> transport_of(int descriptor) {
    const int one = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return std::make_unique<SocketTransport>(descriptor);
  }

  std::string address_;
  UniqueFd listener_;
};

}  // namespace

ResultOrText<std::unique_ptr<WireLink>> WireLink::open(const WireWishes& wishes) {
  if (wishes.device == "kernel") return std::unique_ptr<WireLink>(new SocketLink(wishes.address));
  PortWishes port;
  port.device = wishes.device;
  port.addresses = {wishes.address};
  if (!wishes.gateway.empty()) port.gateways = {wishes.gateway};
  port.mtu = wishes.mtu;
  auto opened = open_wished_port(port);
  if (!opened) return fail(opened.error());
  return std::unique_ptr<WireLink>(new PortLink(std::move(*opened)));
}

}  // namespace sluice::bench
