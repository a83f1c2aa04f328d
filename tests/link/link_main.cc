// sluice-link: a TCP relay that stands for a long, narrow or bad path, for tests and benchmarks. Its options are in
// kUsage.
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "tests/link/link_stream.h"

namespace sluice::link {
namespace {

constexpr const char* kUsage =
    R"(usage: sluice-link --to HOST:PORT [options]
Relays connections to HOST:PORT. Prints its own port in a line and ends on SIGTERM or SIGINT.
  --listen PORT        on the loopback; default: one that is free
  --delay MS           each way
  --jitter MS          up to so much more, at random; the order stays
  --rate BYTES         a second, each way
  --buffer BYTES       that may be under way, each way; default: what the path takes twice, at least 4M
  --loss PROBABILITY   of a segment of 1448 bytes: a stall as of a TCP, then half the rate; needs --rate
  --seed N             of everything random
  --cut-after BYTES    both ways together, then the connection is cut
  --cut-between LOW HIGH  the same, at random
  --cut-how reset|close|freeze  default reset; freeze: nothing passes any more and nobody is told
  --cuts N             only the first N connections are cut
  --half-close-up BYTES, --half-close-down BYTES  towards the server, towards the client: that direction ends there
  -v                   a line on standard error for each connection that ended
  --trace MS           a line on standard error for each connection so often: bytes that entered and that came out, each way
BYTES may end in K, M or G.
)";

constexpr size_t kMaxConnections = 256;
constexpr uint64_t kNever = UINT64_MAX;
enum class Cut : uint8_t { reset, close, freeze };

struct Settings {
  std::string host, port;
  uint16_t listen = 0;
  PathSettings path;
  size_t buffer = 0;
  uint64_t cut_low = kNever, cut_high = kNever;
  uint64_t cuts = kNever;
  Cut how = Cut::reset;
  uint64_t half_close[2] = {kNever, kNever};  // up, down
  bool verbose = false;
  uint64_t trace_ns = 0;
};

volatile std::sig_atomic_t stopped = 0;

[[noreturn]] void usage(const std::string& why) {
  std::fprintf(stderr, "sluice-link: %s\n%s", why.c_str(), kUsage);
  std::exit(2);
}

uint64_t bytes_from(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  const std::string_view unit = end;
  const double factor = unit == "" ? 1 : unit == "K" ? 1 << 10 : unit == "M" ? 1 << 20 : unit == "G" ? 1 << 30 : 0;
  if (end == text.c_str() || factor == 0 || number < 0) usage("not a number of bytes: " + text);
  return static_cast<uint64_t>(number * factor);
}

uint64_t ns_from(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || *end != 0 || number < 0) usage("not a number of milliseconds: " + text);
  return static_cast<uint64_t>(number * 1e6);
}

class Words {
 public:
  Words(int argc, char** argv) : words_(argv + 1, argv + argc) {}
  bool end() const { return at_ == words_.size(); }
  std::string next() {
    if (end()) usage(words_.empty() ? "--to is missing" : words_.back() + " needs a value");
    return words_[at_++];
  }

 private:
  std::vector<std::string> words_;
  size_t at_ = 0;
};

void take_option(Settings& s, const std::string& name, Words& words) {
  if (name == "-v") {
    s.verbose = true;
    return;
  }
  const std::string value = words.next();
  if (name == "--to") {
    const size_t colon = value.rfind(':');
    if (colon == std::string::npos) usage("--to takes HOST:PORT");
    s.host = value.substr(0, colon);
    s.port = value.substr(colon + 1);
  } else if (name == "--listen") {
    s.listen = static_cast<uint16_t>(bytes_from(value));
  } else if (name == "--delay") {
    s.path.delay_ns = ns_from(value);
  } else if (name == "--jitter") {
    s.path.jitter_ns = ns_from(value);
  } else if (name == "--rate") {
    s.path.rate = bytes_from(value);
  } else if (name == "--buffer") {
    s.buffer = bytes_from(value);
  } else if (name == "--loss") {
    s.path.loss = std::strtod(value.c_str(), nullptr);
    if (!(s.path.loss > 0 && s.path.loss < 1)) usage("--loss takes a probability between 0 and 1");
  } else if (name == "--seed") {
    s.path.seed = bytes_from(value);
  } else if (name == "--cut-after") {
    s.cut_low = s.cut_high = bytes_from(value);
  } else if (name == "--cut-between") {
    s.cut_low = bytes_from(value);
    s.cut_high = bytes_from(words.next());
    if (s.cut_high < s.cut_low) usage("--cut-between takes the lower number first");
  } else if (name == "--cut-how") {
    if (value != "reset" && value != "close" && value != "freeze") usage("--cut-how takes reset, close or freeze");
    s.how = value == "reset" ? Cut::reset : value == "close" ? Cut::close : Cut::freeze;
  } else if (name == "--cuts") {
    s.cuts = bytes_from(value);
  } else if (name == "--trace") {
    s.trace_ns = ns_from(value);
  } else if (name == "--half-close-up") {
    s.half_close[0] = bytes_from(value);
  } else if (name == "--half-close-down") {
    s.half_close[1] = bytes_from(value);
  } else {
    usage("no such option: " + name);
  }
}

Settings settings_from(int argc, char** argv) {
  Settings s;
  Words words(argc, argv);
  while (!words.end()) take_option(s, words.next(), words);
  if (s.host.empty()) usage("--to is missing");
  if (s.path.loss > 0 && s.path.rate == 0) usage("--loss needs --rate");
  if (s.buffer == 0) {
    const double flight = static_cast<double>(s.path.rate) * static_cast<double>(s.path.delay_ns) / 1e9;
    s.buffer = std::max<size_t>(4 << 20, static_cast<size_t>(2 * flight));
    if (s.path.rate == 0 && s.path.delay_ns > 0) s.buffer = 256 << 20;
  }
  return s;
}

struct Connection {
  Connection(const Settings& settings, uint64_t n, UniqueFd from_client, UniqueFd to_server)
      : number(n),
        client(std::move(from_client)),
        server(std::move(to_server)),
        up(path_of(settings, n * 2), settings.buffer, client.get(), server.get()),
        down(path_of(settings, n * 2 + 1), settings.buffer, server.get(), client.get()) {
    if (settings.cut_low == kNever || n >= settings.cuts) return;
    std::mt19937_64 random(settings.path.seed * 1000003 + n);
    cut_at = settings.cut_low + random() % (settings.cut_high - settings.cut_low + 1);
  }
  static PathSettings path_of(const Settings& settings, uint64_t stream) {
    PathSettings path = settings.path;
    path.seed = path.seed * 1000003 + stream;
    return path;
  }

  uint64_t number;
  UniqueFd client, server;
  LinkStream up, down;
  uint64_t cut_at = kNever;
  bool frozen = false;
  const char* end = nullptr;
};

class Relay {
 public:
  explicit Relay(const Settings& settings) : settings_(settings) { listen(); }
  void run();

 private:
  void listen();
  void accept();
  UniqueFd connect_on() const;
  void turn(Connection& c, uint64_t now);
  void cut(Connection& c);
  void drop_ended();
  void trace(uint64_t now);
  void wait(uint64_t now);

  const Settings settings_;
  UniqueFd listener_;
  std::list<Connection> connections_;
  uint64_t accepted_ = 0;
  uint64_t began_ns_ = 0, traced_ns_ = 0;
};

void Relay::listen() {
  listener_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int one = 1;
  ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(settings_.listen);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_.get(), 64) != 0 ||
      ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::perror("sluice-link: listen");
    std::exit(1);
  }
  std::printf("%u\n", ntohs(address.sin_port));
  std::fflush(stdout);
}

UniqueFd Relay::connect_on() const {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (::getaddrinfo(settings_.host.c_str(), settings_.port.c_str(), &hints, &found) != 0) return {};
  UniqueFd fd;
  for (const addrinfo* a = found; a && !fd; a = a->ai_next) {
    fd = UniqueFd(::socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (fd && ::connect(fd.get(), a->ai_addr, a->ai_addrlen) != 0) fd.reset();
  }
  ::freeaddrinfo(found);
  if (fd) ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
  return fd;
}

void Relay::accept() {
  UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!client) return;
  UniqueFd server = connect_on();
  if (!server) {
    std::fprintf(stderr, "sluice-link: %s:%s: %s\n", settings_.host.c_str(), settings_.port.c_str(),
                 std::strerror(errno));
    return;
  }
  const int one = 1;
  for (const int fd : {client.get(), server.get()}) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  connections_.emplace_back(settings_, accepted_++, std::move(client), std::move(server));
}

void Relay::cut(Connection& c) {
  c.end = "cut";
  if (settings_.how == Cut::freeze) {
    c.frozen = true;
    c.end = nullptr;
    return;
  }
  const linger abort{.l_onoff = 1, .l_linger = 0};
  if (settings_.how == Cut::reset) {
    for (const int fd : {c.client.get(), c.server.get()}) ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
  }
}

void Relay::turn(Connection& c, uint64_t now) {
  if (c.frozen) return;
  LinkStream* streams[2] = {&c.up, &c.down};
  for (int i = 0; i < 2; ++i) {
    LinkStream& stream = *streams[i];
    const uint64_t both = c.up.taken() + c.down.taken();
    const uint64_t half = settings_.half_close[i];
    // Exactly so many bytes get in, so that a seed cuts at the same byte each time.
    const uint64_t most = std::min(c.cut_at - std::min(both, c.cut_at), half - std::min(stream.taken(), half));
    if (stream.wants_bytes() && most > 0 && !stream.take(now, most)) c.end = "broken";
    if (stream.taken() >= half) stream.end(now);
    if (!stream.give(now)) c.end = "broken";
  }
  if (c.up.ended() && c.down.ended()) c.end = "ended";
  // What got in before the cut still arrives.
  if (!c.end && c.up.taken() + c.down.taken() >= c.cut_at && c.up.given() + c.down.given() >= c.cut_at) {
    cut(c);
  }
}

void Relay::drop_ended() {
  for (auto c = connections_.begin(); c != connections_.end();) {
    if (!c->end) {
      ++c;
      continue;
    }
    if (settings_.verbose) {
      std::fprintf(stderr, "connection %llu %s: up %llu down %llu losses %llu\n",
                   static_cast<unsigned long long>(c->number), c->end, static_cast<unsigned long long>(c->up.given()),
                   static_cast<unsigned long long>(c->down.given()),
                   static_cast<unsigned long long>(c->up.losses() + c->down.losses()));
    }
    c = connections_.erase(c);
  }
}

void Relay::trace(uint64_t now) {
  if (settings_.trace_ns == 0 || now - traced_ns_ < settings_.trace_ns) return;
  traced_ns_ = now;
  for (const Connection& c : connections_) {
    std::fprintf(stderr, "%llu ms connection %llu: up in %llu out %llu, down in %llu out %llu\n",
                 static_cast<unsigned long long>((now - began_ns_) / kMillisecond),
                 static_cast<unsigned long long>(c.number), static_cast<unsigned long long>(c.up.taken()),
                 static_cast<unsigned long long>(c.up.given()), static_cast<unsigned long long>(c.down.taken()),
                 static_cast<unsigned long long>(c.down.given()));
  }
}

void Relay::wait(uint64_t now) {
  std::vector<pollfd> polled{
      {listener_.get(), static_cast<short>(connections_.size() < kMaxConnections ? POLLIN : 0), 0}};
  uint64_t next = now + 1'000'000'000;
  if (settings_.trace_ns > 0 && !connections_.empty()) next = now + settings_.trace_ns;
  for (const Connection& c : connections_) {
    if (c.frozen) continue;
    short client = 0, server = 0;
    const bool spent = c.up.taken() + c.down.taken() >= c.cut_at;
    if (c.up.wants_bytes() && !spent) client |= POLLIN;
    if (c.down.wants_bytes() && !spent) server |= POLLIN;
    if (c.up.wants_to_write(now)) server |= POLLOUT;
    if (c.down.wants_to_write(now)) client |= POLLOUT;
    for (const LinkStream* stream : {&c.up, &c.down}) {
      if (stream->next_due() > now) next = std::min(next, stream->next_due());
    }
    // A descriptor that nothing is wanted of would report its end again and again.
    polled.push_back({client ? c.client.get() : -1, client, 0});
    polled.push_back({server ? c.server.get() : -1, server, 0});
  }
  const timespec timeout{static_cast<time_t>((next - now) / 1'000'000'000),
                         static_cast<long>((next - now) % 1'000'000'000)};
  ::ppoll(polled.data(), polled.size(), &timeout, nullptr);
  if (polled[0].revents & POLLIN) accept();
}

void Relay::run() {
  began_ns_ = monotonic_clock().now_ns();
  while (!stopped) {
    wait(monotonic_clock().now_ns());
    const uint64_t now = monotonic_clock().now_ns();
    for (Connection& c : connections_) turn(c, now);
    drop_ended();
    trace(now);
  }
}

}  // namespace
}  // namespace sluice::link

int main(int argc, char** argv) {
  const auto settings = sluice::link::settings_from(argc, argv);
  struct sigaction action {};
  action.sa_handler = [](int) { sluice::link::stopped = 1; };
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
  sluice::link::Relay(settings).run();
}
