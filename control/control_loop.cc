// Events to machines, and a machine's calls to its session's commands.
#include "control/control_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "base/message_numbers.h"
#include "base/wire.h"

namespace sluice {
namespace {

// A text may quote what a peer sent.
constexpr size_t kMaxDisconnectText = 1024;
// Events between two looks at everything else: a flood of messages must not starve commands and continuations.
constexpr size_t kEventsPerStep = 256;

KeyMaterial material(const DirectionKeys& keys) {
  return {keys.cipher_key.view(), keys.iv.view(), keys.mac_key.view()};
}

}  // namespace

struct ControlLoop::Entry final : TransportPort, SlowWork {
  Entry(ControlPort& p, WorkPool& w, SessionId s, std::string from, std::unique_ptr<Connection> c,
        const TransportConfig& config)
      : port(p),
        pool(w),
        session(s),
        source(std::move(from)),
        connection(std::move(c)),
        machine(config, {*this, *this, connection->host_keys(), connection->judge(), *connection}) {}

  void send_line(std::string_view line) override {
    std::vector<uint8_t> bytes(line.begin(), line.end());
    bytes.push_back('\r');
    bytes.push_back('\n');
    port.send_raw(session, std::move(bytes));
  }
  void send(std::vector<uint8_t> payload) override { port.send(session, std::move(payload)); }
  void expect_newkeys(bool strict) override { port.expect_newkeys(session, strict); }
  void install_receive(DirectionKeys keys) override {
    check(port.install_receive(session, *keys.suite, material(keys)));
  }
  void send_newkeys(DirectionKeys keys, bool strict) override {
    check(port.send_newkeys(session, *keys.suite, material(keys), strict));
  }
  void close(Disconnect code, std::string_view text) override {
    // Before records a person reads the line that was sent; there is no message for it yet.
    if (machine.identified() && !text.empty()) {
      text = text.substr(0, kMaxDisconnectText);
      send(WireWriter().u8(kMsgDisconnect).u32(static_cast<uint32_t>(code)).string(text).string("").take());
    }
    port.close(session);
  }
  bool run(std::function<void()> work, std::function<void()> then) override {
    return pool.run(source, std::move(work), std::move(then));
  }
  void check(const ResultOrText<void>& result) {
    if (!result) machine.close(Disconnect::key_exchange_failed, result.error());
  }

  ControlPort& port;
  WorkPool& pool;
  SessionId session;
  std::string source;
  std::unique_ptr<Connection> connection;
  TransportMachine machine;
};

ControlLoop::ControlLoop(ControlPort& port, WorkPool& pool)
    : port_(port),
      pool_(pool),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      stop_wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  SLUICE_CHECK(epoll_ >= 0 && stop_wake_ >= 0);
  watch(port_.event_descriptor(), [] {});
  // Edges: its count is never read.
  epoll_event edges{};
  edges.events = EPOLLIN | EPOLLET;
  edges.data.fd = port_.event_descriptor();
  SLUICE_CHECK(::epoll_ctl(epoll_, EPOLL_CTL_MOD, edges.data.fd, &edges) == 0);
  watch(pool_.finished_descriptor(), [this] { pool_.run_finished(); });
  watch(stop_wake_, [] {});
}

ControlLoop::~ControlLoop() {
  ::close(epoll_);
  ::close(stop_wake_);
}

SessionId ControlLoop::add(std::unique_ptr<Transport> transport, const TransportConfig& config,
                           const RekeyLimits& limits, const std::string& source,
                           std::unique_ptr<Connection> connection) {
  const SessionId session = next_session_++;
  port_.adopt(session, std::move(transport), limits);
  auto entry = std::make_unique<Entry>(port_, pool_, session, source, std::move(connection), config);
  Entry& added = *entry;
  connections_[session] = std::move(entry);
  added.connection->attach(added.machine);
  added.machine.start();
  return session;
}

void ControlLoop::watch(int descriptor, std::function<void()> readable) {
  watched_[descriptor] = std::move(readable);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = descriptor;
  SLUICE_CHECK(::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) == 0);
}

void ControlLoop::unwatch(int descriptor) {
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, descriptor, nullptr);
  watched_.erase(descriptor);
}

TransportMachine* ControlLoop::machine(SessionId session) {
  const auto found = connections_.find(session);
  return found == connections_.end() ? nullptr : &found->second->machine;
}

void ControlLoop::run() {
  while (!stopping_.load(std::memory_order_relaxed)) step(1000);
}

void ControlLoop::stop() {
  stopping_.store(true);
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(stop_wake_, &one, sizeof one);
}

int64_t ControlLoop::now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

void ControlLoop::after(int64_t ms, std::function<void()> then) { timers_.emplace(now_ms() + ms, std::move(then)); }

void ControlLoop::run_timers() {
  while (!timers_.empty() && timers_.begin()->first <= now_ms()) {
    const auto then = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    then();
  }
}

void ControlLoop::step(int wait_ms) {
  if (!timers_.empty()) {
    wait_ms = static_cast<int>(std::clamp<int64_t>(timers_.begin()->first - now_ms(), 0, wait_ms));
  }
  if (more_events_) wait_ms = 0;
  if (port_.has_overflow()) wait_ms = std::min(wait_ms, 1);
  port_.wake_worker_for_commands();
  if (wait_ms > 0 && !port_.control_may_sleep()) wait_ms = 0;
  std::array<epoll_event, 64> events;
  const int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_ms);
  port_.control_woke();
  for (int i = 0; i < n; ++i) {
    const auto found = watched_.find(events[static_cast<size_t>(i)].data.fd);
    if (found == watched_.end()) continue;
    // A copy: what it calls may unwatch it.
    const auto readable = found->second;
    readable();
    port_.wake_worker_for_commands();
  }
  more_events_ = true;
  for (size_t i = 0; i < kEventsPerStep && more_events_; ++i) {
    auto event = port_.next_event();
    more_events_ = event.has_value();
    if (!event) break;
    take_event(std::move(*event));
    // One wake-up for all that an event led to, but no waiting for what the next ones lead to.
    port_.wake_worker_for_commands();
  }
  run_timers();
  port_.retry_commands();
}

void ControlLoop::take_event(PortEvent&& event) {
  const auto found = connections_.find(event.session);
  // An old epoch dies here, on control's thread, whoever its connection was.
  if (found == connections_.end()) return;
  Entry& entry = *found->second;
  switch (event.kind) {
    case PortEvent::Kind::line: entry.machine.take_bytes(event.bytes); return;
    case PortEvent::Kind::message: entry.machine.take_message(event.bytes, event.sequence); return;
    case PortEvent::Kind::peer_turned: entry.machine.peer_turned(); return;
    case PortEvent::Kind::rekey_soon: entry.machine.prepare_rekey(); return;
    case PortEvent::Kind::rekey_due: entry.machine.rekey(); return;
    case PortEvent::Kind::drained: return;
    case PortEvent::Kind::note: entry.connection->on_note(std::move(event.note)); return;
    case PortEvent::Kind::failed: entry.machine.fail_with(event.error); return;
    case PortEvent::Kind::ended:
      entry.connection->on_ended();
      // By number: what it was told may have added connections.
      connections_.erase(event.session);
      return;
  }
}

}  // namespace sluice
