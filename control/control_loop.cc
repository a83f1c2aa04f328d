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
// Events of one worker between two looks at everything else: a flood of messages must not starve commands and
// continuations.
constexpr size_t kEventsPerStep = 256;
// Key exchange steps of strangers on this thread between two looks at the workers, where the pool is idle.
constexpr int kSpareSteps = 2;
// Of the porch between two looks at the workers.
constexpr int kPorchTurns = 8;
// Who keeps the porch busy after his login for so long, reading nothing, say, is sent away.
constexpr int64_t kMovePatienceMs = 30000;
// Between two looks at whose exchange stands still.
constexpr int64_t kExchangeLookMs = 5000;
// Between two tries to move somebody.
constexpr int kMoveLookMs = 1;

// Exchanges on the operator's word that run at once: what the others, and a session's data, may have to wait behind.
constexpr size_t kRekeysAtOnce = 32;
// A peer that does not answer holds its place no longer.
constexpr int64_t kRekeyPatienceMs = 2000;
constexpr int kRekeyLookMs = 2;

KeyMaterial material(const DirectionKeys& keys) {
  return {keys.cipher_key.view(), keys.iv.view(), keys.mac_key.view()};
}

}  // namespace

struct ControlLoop::Entry final : TransportPort, SlowWork {
  Entry(ControlLoop& l, ControlPort& p, std::optional<size_t> index, WorkPool& w, SessionId s, std::string from,
        std::unique_ptr<Connection> c, const TransportConfig& config)
      : loop(l),
        port(&p),
        worker(index),
        pool(w),
        session(s),
        source(std::move(from)),
        connection(std::move(c)),
        machine(config, {*this, *this, connection->host_keys(), connection->judge(), *connection}) {}

  void send_line(std::string_view line) override {
    std::vector<uint8_t> bytes(line.begin(), line.end());
    bytes.push_back('\r');
    bytes.push_back('\n');
    port->send_raw(session, std::move(bytes));
  }
  void send(std::vector<uint8_t> payload) override { port->send(session, std::move(payload)); }
  void expect_newkeys(bool strict) override { port->expect_newkeys(session, strict); }
  void install_receive(DirectionKeys keys) override {
    check(port->install_receive(session, *keys.suite, material(keys)));
  }
  void send_newkeys(DirectionKeys keys, bool strict) override {
    check(port->send_newkeys(session, *keys.suite, material(keys), strict));
  }
  void close(Disconnect code, std::string_view text) override {
    // Before records a person reads the line that was sent; there is no message for it yet.
    if (machine.identified() && !text.empty()) {
      text = text.substr(0, kMaxDisconnectText);
      send(WireWriter().u8(kMsgDisconnect).u32(static_cast<uint32_t>(code)).string(text).string("").take());
    }
    port->close(session);
  }
  bool run(std::function<void()> work, std::function<void()> then) override {
    return pool.run({source, session, machine.authenticated()}, std::move(work), std::move(then));
  }
  bool has_time() override { return loop.spare_steps_ > 0 && pool.idle() && loop.spare_steps_-- > 0; }
  bool run_pausable(std::function<void()> work, std::function<void()> then) override {
    return pool.run({source, session, machine.authenticated(), true}, std::move(work), std::move(then));
  }
  void check(const ResultOrText<void>& result) {
    if (!result) machine.close(Disconnect::key_exchange_failed, result.error());
  }

  ControlLoop& loop;
  ControlPort* port;             // what it is told: by way of where it is going to, once it goes
  std::optional<size_t> worker;  // none on the porch
  int64_t moving_since_ms = 0;
  std::shared_ptr<const Activity> activity;
  uint64_t heard = 0;  // of the peer when its step of an exchange was last missed
  int64_t missed_since_ms = 0;
  WorkPool& pool;
  SessionId session;
  std::string source;
  std::unique_ptr<Connection> connection;
  TransportMachine machine;
};

ControlLoop::ControlLoop(const std::vector<ControlPort*>& ports, WorkPool& pool)
    : pool_(pool), epoll_(::epoll_create1(EPOLL_CLOEXEC)), stop_wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  SLUICE_CHECK(epoll_ >= 0 && stop_wake_ >= 0 && !ports.empty());
  for (ControlPort* port : ports) {
    workers_.push_back({port});
    watch(port->event_descriptor(), [] {});
    // Edges: its count is never read.
    epoll_event edges{};
    edges.events = EPOLLIN | EPOLLET;
    edges.data.fd = port->event_descriptor();
    SLUICE_CHECK(::epoll_ctl(epoll_, EPOLL_CTL_MOD, edges.data.fd, &edges) == 0);
  }
  watch(pool_.finished_descriptor(), [this] { pool_.run_finished(); });
  watch(stop_wake_, [] {});
}

ControlLoop::~ControlLoop() {
  ::close(epoll_);
  ::close(stop_wake_);
}

SessionId ControlLoop::add(std::unique_ptr<Transport> transport, const TransportConfig& config,
                           const RekeyLimits& limits, const std::string& source, std::unique_ptr<Connection> connection,
                           std::optional<size_t> port) {
  const SessionId session = next_session_++;
  std::optional<size_t> worker = port;
  if (!port && (porch_ == nullptr || config.role == Role::client)) worker = least_loaded_port();
  SLUICE_CHECK(!worker || *worker < workers_.size());
  ControlPort& chosen = worker ? *workers_[*worker].port : porch_->port();
  if (worker) ++workers_[*worker].sessions;
  const auto activity = chosen.adopt(session, std::move(transport), limits);
  connection->watch_activity(activity);
  auto entry = std::make_unique<Entry>(*this, chosen, worker, pool_, session, source, std::move(connection), config);
  Entry& added = *entry;
  added.activity = activity;
  connections_[session] = std::move(entry);
  added.connection->attach(added.machine);
  added.machine.start();
  return session;
}

void ControlLoop::set_porch(Porch& porch) {
  SLUICE_CHECK(porch_ == nullptr && connections_.empty());
  porch_ = &porch;
  porch_end_.port = &porch.port();
  porch_end_.port->keep_keys();
  watch(porch.descriptor(), [this] { porch_->look_now(); });
}

// Turns until nothing moves, with control's answers between them. Bounded: the workers' sessions come first.
void ControlLoop::turn_porch() {
  for (int turn = 0; turn < kPorchTurns; ++turn) {
    const bool moved = porch_->step();
    take_events(porch_end_);
    if (!moving_.empty()) move_waiting();
    if (!moved && !porch_end_.port->has_commands()) return;
  }
}

// Decided now, done when all that the session said on the porch was heard: what it says next comes by another way.
void ControlLoop::move_in(Entry& entry) {
  const size_t chosen = least_loaded_port();
  ++workers_[chosen].sessions;
  entry.worker = chosen;
  entry.port = workers_[chosen].port;
  entry.port->await(entry.session);
  entry.moving_since_ms = now_ms();
  moving_.push_back(entry.session);
}

void ControlLoop::move_waiting() {
  if (porch_end_.more_events) return;
  for (const SessionId session : std::exchange(moving_, {})) {
    Entry& entry = *connections_[session];
    auto released = porch_->release(session, entry.port->drivers());
    if (released && *released) {
      entry.port->adopt_moving(session, std::move(*released));
      entry.port->wake_worker_for_commands();
      continue;
    }
    moving_.push_back(session);
    if (released && now_ms() - entry.moving_since_ms <= kMovePatienceMs) continue;
    stay_on_porch(entry);
    entry.machine.close(Disconnect::by_application,
                        released ? "Your login's messages were not read" : released.error());
  }
}

// It ends, or fails, before it has moved.
void ControlLoop::stay_on_porch(Entry& entry) {
  if (std::erase(moving_, entry.session) == 0) return;
  entry.port->await_no_more(entry.session);
  entry.port = &porch_->port();
}

size_t ControlLoop::least_loaded_port() const {
  const auto less = [](const WorkerEnd& a, const WorkerEnd& b) { return a.sessions < b.sessions; };
  return static_cast<size_t>(std::min_element(workers_.begin(), workers_.end(), less) - workers_.begin());
}

void ControlLoop::drop_connections() {
  for (const SessionId session : moving_) connections_[session]->port->await_no_more(session);
  moving_.clear();
  connections_.clear();
  timers_.clear();
  for (WorkerEnd& worker : workers_) worker.sessions = 0;
}

void ControlLoop::close_all(Disconnect code, std::string_view text) {
  std::vector<SessionId> sessions;
  for (const auto& [session, entry] : connections_) sessions.push_back(session);
  for (const SessionId session : sessions) {
    if (TransportMachine* each = machine(session)) each->close(code, text);
  }
}

void ControlLoop::open_channels(SessionId session, std::unique_ptr<ConnectionSink> sink) {
  const auto found = connections_.find(session);
  if (found == connections_.end()) return;
  if (!found->second->worker) move_in(*found->second);
  found->second->port->open_channels(session, std::move(sink));
}

void ControlLoop::tell_sink(SessionId session, SinkNote&& note) {
  const auto found = connections_.find(session);
  if (found != connections_.end()) found->second->port->tell_sink(session, std::move(note));
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

void ControlLoop::rekey(SessionId session) {
  if (TransportMachine* of = machine(session)) of->rekey();
}

void ControlLoop::rekey_all() {
  rekeys_waiting_.clear();
  for (const auto& [session, entry] : connections_) rekeys_waiting_.push_back(session);
  start_waiting_rekeys();
}

void ControlLoop::start_waiting_rekeys() {
  const int64_t now = now_ms();
  std::erase_if(rekeys_running_, [&](const RunningRekey& running) {
    const TransportMachine* of = machine(running.session);
    return of == nullptr || of->closed() || !of->in_kex() || running.give_up_ms <= now;
  });
  while (!rekeys_waiting_.empty() && rekeys_running_.size() < kRekeysAtOnce) {
    rekey(rekeys_waiting_.front());
    rekeys_running_.push_back({rekeys_waiting_.front(), now + kRekeyPatienceMs});
    rekeys_waiting_.pop_front();
  }
}

TransportMachine* ControlLoop::machine(SessionId session) {
  const auto found = connections_.find(session);
  return found == connections_.end() ? nullptr : &found->second->machine;
}

std::shared_ptr<const Activity> ControlLoop::activity(SessionId session) const {
  const auto found = connections_.find(session);
  return found == connections_.end() ? nullptr : found->second->activity;
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
  for (const WorkerEnd& worker : workers_) {
    if (worker.more_events) wait_ms = 0;
    if (worker.port->has_overflow()) wait_ms = std::min(wait_ms, 1);
    worker.port->wake_worker_for_commands();
  }
  if (!rekeys_waiting_.empty()) wait_ms = std::min(wait_ms, kRekeyLookMs);
  if (porch_ != nullptr) wait_ms = std::min(wait_ms, porch_end_.more_events ? 0 : porch_->wait_ms());
  if (!moving_.empty()) wait_ms = std::min(wait_ms, kMoveLookMs);
  for (const WorkerEnd& worker : workers_) {
    if (wait_ms > 0 && !worker.port->control_may_sleep()) wait_ms = 0;
  }
  std::array<epoll_event, 64> events;
  const int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_ms);
  for (const WorkerEnd& worker : workers_) worker.port->control_woke();
  spare_steps_ = kSpareSteps;
  for (int i = 0; i < n; ++i) {
    const auto found = watched_.find(events[static_cast<size_t>(i)].data.fd);
    if (found == watched_.end()) continue;
    // A copy: what it calls may unwatch it.
    const auto readable = found->second;
    readable();
    wake_workers();
  }
  for (WorkerEnd& worker : workers_) take_events(worker);
  run_timers();
  if (porch_ != nullptr) turn_porch();
  if (!rekeys_waiting_.empty()) start_waiting_rekeys();
  if (now_ms() - exchanges_looked_ms_ > std::min(kExchangeLookMs, exchange_patience_ms_ / 4)) look_at_exchanges();
  for (WorkerEnd& worker : workers_) worker.port->retry_commands();
}

// Data behind which a peer's step comes is as good as the step: a slow line may take minutes for it.
void ControlLoop::look_at_exchanges() {
  const int64_t now = exchanges_looked_ms_ = now_ms();
  for (const auto& [session, entry] : connections_) {
    if (entry->machine.waits_for_peer()) entry->machine.guess_is_overdue();
    if (!entry->machine.waits_for_peer() || entry->machine.closed()) {
      entry->missed_since_ms = 0;
      continue;
    }
    const uint64_t heard = entry->activity->messages.load(std::memory_order_relaxed);
    if (entry->missed_since_ms == 0 || heard != entry->heard) {
      entry->heard = heard;
      entry->missed_since_ms = now;
    } else if (now - entry->missed_since_ms > exchange_patience_ms_) {
      entry->machine.close(Disconnect::by_application, "The key exchange stands still: nothing was heard for too long");
    }
  }
}

void ControlLoop::wake_workers() {
  for (const WorkerEnd& worker : workers_) worker.port->wake_worker_for_commands();
}

void ControlLoop::take_events(WorkerEnd& worker) {
  worker.more_events = true;
  for (size_t i = 0; i < kEventsPerStep && worker.more_events; ++i) {
    auto event = worker.port->next_event();
    worker.more_events = event.has_value();
    if (!event) break;
    take_event(std::move(*event));
    // One wake-up for all that an event led to, but no waiting for what the next ones lead to.
    worker.port->wake_worker_for_commands();
  }
}

void ControlLoop::take_event(PortEvent&& event) {
  const auto found = connections_.find(event.session);
  // An old epoch dies here, on control's thread, whoever its connection was.
  if (found == connections_.end()) return;
  Entry& entry = *found->second;
  switch (event.kind) {
    case PortEvent::Kind::line: entry.machine.take_bytes(event.bytes); return;
    case PortEvent::Kind::message:
      entry.machine.take_message(event.bytes, event.sequence);
      if (is_userauth_message(event.bytes[0])) wipe(event.bytes.data(), event.bytes.size());
      return;
    case PortEvent::Kind::peer_turned: entry.machine.peer_turned(); return;
    case PortEvent::Kind::rekey_soon: entry.machine.prepare_rekey(); return;
    case PortEvent::Kind::rekey_due: entry.machine.rekey(); return;
    case PortEvent::Kind::drained: return;
    case PortEvent::Kind::note: entry.connection->on_note(std::move(event.note)); return;
    case PortEvent::Kind::packet: return entry.machine.tell_packet(event.packet);
    case PortEvent::Kind::failed: stay_on_porch(entry); return entry.machine.fail_with(event.error);
    case PortEvent::Kind::ended:
      entry.connection->on_ended();
      stay_on_porch(entry);
      if (entry.worker) --workers_[*entry.worker].sessions;
      pool_.forget(event.session);
      // By number: what it was told may have added connections.
      connections_.erase(event.session);
      return;
  }
}

}  // namespace sluice
