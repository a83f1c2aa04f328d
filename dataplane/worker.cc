// The loop, and what it waits for.
#include "dataplane/worker.h"

#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"

namespace sluice {
namespace {

// After the last work: cheaper than two system calls and a wake-up while data flows, nothing when idle.
constexpr uint64_t kSpinNs = 50'000;
// Sessions' ages are looked at this often.
constexpr int kIdleWaitMs = 1000;
// While devices hold records, or a session waits for ring space, nothing will make a descriptor ready.
constexpr int kBusyWaitMs = 1;

}  // namespace

Worker::Worker(const DriverSet& drivers) : dispatch_(drivers), port_(drivers), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  SLUICE_CHECK(epoll_ >= 0);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = 0;
  SLUICE_CHECK(::epoll_ctl(epoll_, EPOLL_CTL_ADD, port_.command_descriptor(), &event) == 0);
}

Worker::~Worker() {
  // Devices may still write into records: wait for them before memory goes.
  bool left = true;
  while (left) {
    left = dispatch_.outstanding() > 0;
    for (auto& [id, watched] : sessions_) left |= watched.session->hand_over(dispatch_);
    dispatch_.submit();
    dispatch_.poll();
  }
  ::close(epoll_);
}

void Worker::run() {
  uint64_t last_work = monotonic_clock().now_ns();
  while (!stopping_.load(std::memory_order_relaxed)) {
    if (turn()) {
      last_work = monotonic_clock().now_ns();
    } else if (monotonic_clock().now_ns() - last_work > kSpinNs) {
      wait();
    }
  }
}

void Worker::stop() {
  stopping_.store(true);
  port_.wake_worker();
}

bool Worker::take_commands() {
  bool any = false;
  while (auto command = port_.next_command()) {
    any = true;
    if (command->kind == PortCommand::Kind::adopt) {
      adopt(std::move(*command));
      continue;
    }
    const auto found = sessions_.find(command->session);
    if (found != sessions_.end()) found->second.session->take_command(std::move(*command));
  }
  return any;
}

// Its descriptor is watched from the first wait() on.
void Worker::adopt(PortCommand&& command) {
  const SessionId id = command.session;
  sessions_[id].session =
      std::make_unique<Session>(id, std::move(command.transport), pool_, command.limits, std::move(command.activity));
}

bool Worker::turn() {
  bool moved = take_commands();
  for (auto& [id, watched] : sessions_) watched.session->receive(port_, dispatch_);
  dispatch_.submit();
  moved |= dispatch_.poll() > 0;
  const uint64_t now = monotonic_clock().now_ns();
  for (auto& [id, watched] : sessions_) {
    watched.session->deliver(port_);
    watched.session->send(port_, dispatch_, now);
  }
  dispatch_.submit();
  moved |= dispatch_.poll() > 0;
  for (auto& [id, watched] : sessions_) watched.session->commit(port_);
  drop_finished(now);
  return moved;
}

void Worker::drop_finished(uint64_t now) {
  for (auto at = sessions_.begin(); at != sessions_.end();) {
    if (!at->second.session->over(now)) {
      ++at;
      continue;
    }
    PortEvent event;
    event.kind = PortEvent::Kind::ended;
    event.session = at->first;
    if (!port_.post(std::move(event))) return;
    at = sessions_.erase(at);
  }
}

// A full ring is not asked to receive and an empty one not to send: level-triggered readiness would never let us sleep.
void Worker::watch(Watched& watched) {
  Transport& transport = watched.session->transport();
  const uint32_t wanted = (transport.can_receive() ? static_cast<uint32_t>(EPOLLIN) : 0u) |
                          (transport.has_unsent() ? static_cast<uint32_t>(EPOLLOUT) : 0u);
  if (wanted == watched.watched || transport.descriptor() < 0) return;
  // Errors and hang-ups are always reported: a descriptor of which nothing is wanted must go, or we would never sleep.
  const int change = watched.watched == 0 ? EPOLL_CTL_ADD : wanted == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
  epoll_event event{};
  event.events = wanted;
  event.data.u64 = watched.session->id();
  if (::epoll_ctl(epoll_, change, transport.descriptor(), &event) == 0) watched.watched = wanted;
}

void Worker::wait() {
  bool busy = dispatch_.outstanding() > 0;
  for (auto& [id, watched] : sessions_) {
    watch(watched);
    const bool unwatched = watched.watched == 0 && watched.session->transport().descriptor() >= 0;
    busy = busy || unwatched || (watched.session->busy() && (watched.watched & EPOLLOUT) == 0);
  }
  if (port_.has_commands()) return;
  std::array<epoll_event, 64> events;
  const int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), busy ? kBusyWaitMs : kIdleWaitMs);
  for (int i = 0; i < n; ++i) {
    if (events[static_cast<size_t>(i)].data.u64 == 0) port_.clear_command_wake();
  }
}

}  // namespace sluice
