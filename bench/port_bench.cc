// TCP alone between two processes, no SSH: a stream that nobody encrypts, or short questions and answers; over ports of
// DPDK by dataplane/netstack, or over the kernel's sockets for comparison.
//
//   port_bench serve DEVICE ADDRESS/LENGTH MTU            until SIGTERM; says "ready"
//   port_bench stream DEVICE ADDRESS/LENGTH MTU PEER SECONDS
//   port_bench ask DEVICE ADDRESS/LENGTH MTU PEER SECONDS CONNECTIONS
//
// DEVICE "kernel": sockets, ADDRESS and MTU are passed over. Whoever asks prints what came of it. Each process is one
// thread; it polls while frames come and naps when none do, as a worker does. Every byte is compared where
// SLUICE_BENCH_VERIFY is set.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "apps/port_opening.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/random.h"
#include "dataplane/netstack/network_layer.h"
#include "dataplane/netstack/tcp_stack.h"
#include "dataplane/netstack/tcp_transport.h"

using namespace sluice;

namespace {

constexpr uint16_t kStreamPort = 7001, kAskPort = 7002;
constexpr size_t kQuestion = 64;
constexpr size_t kPiece = 32768;
constexpr uint64_t kTickNs = 50'000'000;
constexpr uint64_t kSpinNs = 20'000;
constexpr uint64_t kYieldNs = 200'000;
volatile std::sig_atomic_t stopped = 0;
const bool kVerify = std::getenv("SLUICE_BENCH_VERIFY") != nullptr;

uint64_t now_ns() { return monotonic_clock().now_ns(); }

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

// Of the stream's n-th word: what stands elsewhere is recognised.
uint64_t word_at(uint64_t n) { return n * 0x9e3779b97f4a7c15u; }

struct Stream {
  std::unique_ptr<TcpTransport> transport;
  bool asks = false;
  uint64_t bytes = 0;

  void fill(uint8_t* place, size_t n) {
    for (size_t i = 0; kVerify && i < n; i += 8) {
      const uint64_t word = word_at((bytes + i) / 8);
      std::memcpy(place + i, &word, 8);
    }
    bytes += n;
  }
  void check(MutableBytes piece) {
    for (size_t i = (8 - bytes % 8) % 8; kVerify && i + 8 <= piece.size(); i += 8) {
      uint64_t word;
      std::memcpy(&word, piece.data() + i, 8);
      if (word == word_at((bytes + i) / 8)) continue;
      // Multiplied by the inverse it is the place where it belongs.
      std::printf("WRONG at byte %lu of the stream: what belongs to %lu, place %lu\n", bytes + i,
                  word * 0xf1de83e19937733du * 8, i);
      std::fflush(stdout);
      std::abort();
    }
    bytes += piece.size();
  }
};

// One queue with its network and TCP, turned by this thread.
class End final : FrameReceiver, TcpAcceptor {
 public:
  End(NetPort& port, const NetSettings& net)
      : queue_(port.queue(0)),
        network_(net, queue_, tcp_),
        tcp_(settings(), network_, now_ns()),
        address_(net.addresses[0].address) {
    tcp_.listen({address_, kStreamPort}, *this);
    tcp_.listen({address_, kAskPort}, *this);
  }
  // Frames that wait below are told of while there are connections to tell.
  ~End() override {
    queue_.drop_unsent();
    streams.clear();
  }
  void turn() {
    now_ = now_ns();
    size_t frames = 0;
    for (int i = 0; i < 4; ++i) {
      const size_t n = queue_.receive(*this);
      frames += n;
      if (n == 0) break;
    }
    if (frames > 0) tcp_.end_burst(now_);
    if (frames > 0) moved_ = now_;
    tcp_.advance(now_);
    if (now_ - ticked_ > kTickNs) {
      ticked_ = now_;
      network_.tick(now_);
    }
  }
  // As PortStack: whoever has no core of his own and spins through a silence takes the time of those whom he waits for.
  void rest() {
    const uint64_t now = now_ns();
    const uint64_t silence = now - moved_;
    if (silence < kSpinNs) return;
    if (silence < kYieldNs) {
      ::sched_yield();
      return;
    }
    const uint64_t due = std::min(tcp_.next_deadline(), ticked_ + kTickNs);
    const uint64_t most = due > now ? due - now : 0;
    const uint64_t nap = std::min(most, std::clamp<uint64_t>(silence / 16, kSpinNs, 1'000'000));
    const timespec time{0, static_cast<long>(nap)};
    if (nap > 0) ::nanosleep(&time, nullptr);
  }
  void send() {
    queue_.flush();
    if (network_.take_refused() && !queue_.has_unsent()) {
      tcp_.resume(now_);
      queue_.flush();
    } else if (!queue_.has_unsent()) {
      tcp_.resume(now_);
    }
  }
  std::unique_ptr<TcpTransport> connect(const IpAddress& to, uint16_t port) {
    while (!network_.settled()) turn(), send();
    IpEndpoints ends;
    ends.remote = {to, port};
    auto transport = tcp_.connect(ends, now_);
    while (transport && transport->connecting()) turn(), send();
    SLUICE_CHECK(transport && transport->failure() == TcpEnd::none);
    return transport;
  }
  std::vector<Stream> streams;
  const TcpStack& tcp() const { return tcp_; }

 private:
  static TcpSettings settings() {
    TcpSettings out;
    fill_random(out.secret);
    return out;
  }
  void on_frame(MutableBytes frame, std::span<const Bytes> more, FrameFacts facts) override {
    network_.input(frame, more, facts, now_);
  }
  void accept(std::unique_ptr<TcpTransport> connection) override {
    const bool asks = connection->endpoints().local.port == kAskPort;
    streams.push_back({std::move(connection), asks, 0});
  }

  PortQueue& queue_;
  NetworkLayer network_;
  TcpStack tcp_;
  IpAddress address_;
  uint64_t now_ = 0;
  uint64_t ticked_ = 0;
  uint64_t moved_ = 0;
};

MutableBytes received(TcpTransport& transport) {
  std::array<MutableBytes, 1> piece;
  return transport.peek(0, piece) == 1 ? piece[0] : MutableBytes();
}

void say(TcpTransport& to, Bytes what) {
  uint8_t* place = to.send_ring().reserve(what.size());
  if (place == nullptr) return;
  std::copy(what.begin(), what.end(), place);
  SLUICE_CHECK(to.send_ring().commit(what.size(), place, what.size()));
  to.flush();
}

void serve(End& end) {
  std::puts("ready");
  std::fflush(stdout);
  while (stopped == 0) {
    end.turn();
    for (size_t i = 0; i < end.streams.size();) {
      Stream& each = end.streams[i];
      for (MutableBytes piece = received(*each.transport); !piece.empty(); piece = received(*each.transport)) {
        if (!each.asks) each.check(piece);
        if (each.asks && piece.size() < kQuestion) break;
        if (each.asks) say(*each.transport, piece);
        each.transport->release(piece.size());
      }
      if (each.transport->ended()) {
        std::swap(each, end.streams.back());
        end.streams.pop_back();
      } else {
        ++i;
      }
    }
    end.send();
    end.rest();
  }
}

void print_stream(uint64_t bytes, uint64_t took, double cpu) {
  const double seconds = static_cast<double>(took) / 1e9;
  std::printf("{\"gbits\": %.5f, \"seconds\": %.3f, \"cpu\": %.3f}\n", static_cast<double>(bytes) * 8 / seconds / 1e9,
              seconds, cpu);
}

void stream(End& end, const IpAddress& peer, double seconds) {
  Stream out{end.connect(peer, kStreamPort), false, 0};
  SendRing& ring = out.transport->send_ring();
  // A moment for windows to grow.
  uint64_t begin = 0, began_at = 0;
  double cpu = 0;
  const uint64_t warm = now_ns() + 300'000'000;
  const uint64_t end_at = warm + static_cast<uint64_t>(seconds * 1e9);
  for (uint64_t now = now_ns(); now < end_at; now = now_ns()) {
    if (begin == 0 && now >= warm) begin = now, began_at = out.bytes - ring.pending_bytes(), cpu = cpu_seconds();
    end.turn();
    while (uint8_t* place = ring.reserve(kPiece)) {
      out.fill(place, kPiece);
      if (ring.commit(kPiece, place, kPiece)) continue;
      SLUICE_CHECK(false);
    }
    out.transport->flush();
    end.send();
    end.rest();
    SLUICE_CHECK(!out.transport->broken());
  }
  print_stream(out.bytes - ring.pending_bytes() - began_at, now_ns() - begin, cpu_seconds() - cpu);
  const TcpConnectionFacts facts = out.transport->facts();
  const auto counted = [&](TcpCount what) { return end.tcp().counters().get(what); };
  std::fprintf(
      stderr,
      "mss %zu, cwnd %zu, rtt %lu us, least %lu us, retransmits %lu, timeouts %lu, recoveries %lu, undone %lu, "
      "probes %lu\n",
      facts.mss, facts.cwnd, facts.srtt_us, facts.least_rtt_us, facts.retransmits, facts.timeouts,
      counted(TcpCount::fast_recoveries), counted(TcpCount::spurious_recoveries), counted(TcpCount::tail_probes));
}

void print_rounds(uint64_t rounds, uint64_t took, double cpu) {
  std::printf("{\"rounds\": %.0f, \"seconds\": %.3f, \"cpu\": %.3f}\n",
              static_cast<double>(rounds) / (static_cast<double>(took) / 1e9), static_cast<double>(took) / 1e9, cpu);
}

void ask(End& end, const IpAddress& peer, double seconds, size_t connections) {
  std::array<uint8_t, kQuestion> question{};
  std::vector<std::unique_ptr<TcpTransport>> all;
  for (size_t i = 0; i < connections; ++i) all.push_back(end.connect(peer, kAskPort));
  for (auto& each : all) say(*each, question);
  end.send();
  const double cpu = cpu_seconds();
  const uint64_t begin = now_ns();
  uint64_t rounds = 0;
  while (static_cast<double>(now_ns() - begin) < seconds * 1e9) {
    end.turn();
    for (auto& each : all) {
      if (each->available() < kQuestion) continue;
      each->release(kQuestion);
      ++rounds;
      say(*each, question);
    }
    end.send();
  }
  print_rounds(rounds, now_ns() - begin, cpu_seconds() - cpu);
}

// The same over sockets.
int socket_of(uint16_t port, bool listens) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  const int one = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto* address = reinterpret_cast<const sockaddr*>(&at);
  SLUICE_CHECK((listens ? ::bind(fd, address, sizeof at) : ::connect(fd, address, sizeof at)) == 0);
  if (listens) SLUICE_CHECK(::listen(fd, 1024) == 0);
  return fd;
}

void kernel_serve() {
  const int watched = ::epoll_create1(0);
  const auto watch = [&](int fd, uint64_t kind) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = kind << 32 | static_cast<uint32_t>(fd);
    ::epoll_ctl(watched, EPOLL_CTL_ADD, fd, &event);
  };
  watch(socket_of(kStreamPort, true), 0);
  watch(socket_of(kAskPort, true), 1);
  std::puts("ready");
  std::fflush(stdout);
  std::vector<uint8_t> buffer(size_t{1} << 18);
  std::array<epoll_event, 256> events;
  while (stopped == 0) {
    const int n = ::epoll_wait(watched, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < n; ++i) {
      const int fd = static_cast<int>(events[static_cast<size_t>(i)].data.u64 & 0xffffffff);
      const uint64_t kind = events[static_cast<size_t>(i)].data.u64 >> 32;
      if (kind < 2) {
        const int came = ::accept(fd, nullptr, nullptr);
        const int one = 1;
        ::setsockopt(came, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watch(came, kind + 2);
        continue;
      }
      const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
      if (got <= 0) {
        ::close(fd);
      } else if (kind == 3) {
        [[maybe_unused]] const ssize_t sent = ::send(fd, buffer.data(), static_cast<size_t>(got), MSG_NOSIGNAL);
      }
    }
  }
}

void kernel_stream(double seconds) {
  const int fd = socket_of(kStreamPort, false);
  const std::vector<uint8_t> piece(size_t{1} << 18);
  const double cpu = cpu_seconds();
  const uint64_t begin = now_ns();
  uint64_t bytes = 0;
  while (static_cast<double>(now_ns() - begin) < seconds * 1e9) {
    const ssize_t n = ::send(fd, piece.data(), piece.size(), MSG_NOSIGNAL);
    SLUICE_CHECK(n > 0);
    bytes += static_cast<uint64_t>(n);
  }
  print_stream(bytes, now_ns() - begin, cpu_seconds() - cpu);
}

void kernel_ask(double seconds, size_t connections) {
  const int watched = ::epoll_create1(0);
  std::array<uint8_t, kQuestion> question{};
  for (size_t i = 0; i < connections; ++i) {
    const int fd = socket_of(kAskPort, false);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(watched, EPOLL_CTL_ADD, fd, &event);
    SLUICE_CHECK(::send(fd, question.data(), question.size(), MSG_NOSIGNAL) == kQuestion);
  }
  const double cpu = cpu_seconds();
  const uint64_t begin = now_ns();
  uint64_t rounds = 0;
  std::array<epoll_event, 256> events;
  while (static_cast<double>(now_ns() - begin) < seconds * 1e9) {
    const int n = ::epoll_wait(watched, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < n; ++i) {
      const int fd = events[static_cast<size_t>(i)].data.fd;
      SLUICE_CHECK(::recv(fd, question.data(), question.size(), 0) == kQuestion);
      ++rounds;
      SLUICE_CHECK(::send(fd, question.data(), question.size(), MSG_NOSIGNAL) == kQuestion);
    }
  }
  print_rounds(rounds, now_ns() - begin, cpu_seconds() - cpu);
}

int run(const std::vector<std::string>& words) {
  const std::string& what = words[0];
  const double seconds = words.size() > 5 ? std::atof(words[5].c_str()) : 1;
  const size_t connections = words.size() > 6 ? static_cast<size_t>(std::atoi(words[6].c_str())) : 1;
  if (words[1] == "kernel") {
    if (what == "serve") kernel_serve();
    if (what == "stream") kernel_stream(seconds);
    if (what == "ask") kernel_ask(seconds, connections);
    return 0;
  }
  PortWishes wishes{.device = words[1], .addresses = {words[2]}, .gateways = {}};
  wishes.mtu = static_cast<size_t>(std::atoi(words[3].c_str()));
  auto opened = open_wished_port(wishes);
  if (!opened) {
    std::fprintf(stderr, "%s\n", opened.error().c_str());
    return 1;
  }
  std::fprintf(stderr, "%s\n", opened->port->about().c_str());
  End end(*opened->port, opened->net);
  if (what == "serve") {
    serve(end);
  } else if (const auto peer = IpAddress::parse(words.at(4)); !peer) {
    return 2;
  } else if (what == "stream") {
    stream(end, *peer, seconds);
  } else {
    ask(end, *peer, seconds, connections);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 2 || (words[0] != "serve" && words.size() < 6)) {
    std::fputs("usage: port_bench serve|stream|ask DEVICE ADDRESS/LENGTH MTU [PEER SECONDS [CONNECTIONS]]\n", stderr);
    return 2;
  }
  std::signal(SIGTERM, [](int) { stopped = 1; });
  return run(words);
}
