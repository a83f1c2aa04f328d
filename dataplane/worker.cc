// The loop, and what it waits for.
#include "dataplane/worker.h"

#include <sched.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.h"

namespace sluice {
namespace {

// So long after the last work a session's descriptor is read before it is watched: about what two system calls cost.
// Longer, and on a small machine the spinning takes the core from whom it waits for, unless it is known to be
// elsewhere.
constexpr uint64_t kShortSpinNs = 5'000;
// So long has a session to be the only one that moves before it is spun for.
constexpr uint64_t kAloneNs = 1'000'000;
// While some sessions are busy the others' descriptors are looked at this often.
constexpr uint64_t kLookNs = 20'000;
// Sessions' ages are looked at this often.
constexpr uint64_t kSweepNs = 1'000'000'000;
constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr uint64_t kMillisecondNs = 1'000'000;
constexpr uint64_t kIdleWaitNs = kSecondNs;
// A session that waits for a shared resource, record blocks or control's ring, tries again this often.
constexpr uint64_t kStalledWaitNs = kMillisecondNs;
// In epoll's data: a watch's number and generation instead of a session's id.
constexpr uint64_t kWatchBit = uint64_t{1} << 63;

uint64_t watch_tag(uint32_t index, uint32_t generation) {
  return kWatchBit | uint64_t{generation & 0x7fffffffu} << 32 | index;
}

}  // namespace

Worker::Worker(const DriverSet& drivers, const RecordPoolSize& records)
    : dispatch_(drivers), port_(drivers), pool_(records), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  SLUICE_CHECK(epoll_ >= 0);
  epoll_event event{};
  // Edges: its count is never read.
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = 0;
  SLUICE_CHECK(::epoll_ctl(epoll_, EPOLL_CTL_ADD, port_.command_descriptor(), &event) == 0);
}

Worker::~Worker() {
  // Devices may still write into records: wait for them before memory goes.
  bool left = true;
  while (left) {
    left = dispatch_.outstanding() > 0;
    for (auto& [id, member] : sessions_) left |= member.session->hand_over(dispatch_);
    dispatch_.submit();
    dispatch_.poll();
  }
  // Their services still have watches to give back.
  sessions_.clear();
  ::close(epoll_);
}

void Worker::attach(Poller& poller) {
  poller_ = &poller;
  if (poller.descriptor() < 0) return;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = 0;
  SLUICE_CHECK(::epoll_ctl(epoll_, EPOLL_CTL_ADD, poller.descriptor(), &event) == 0);
}

void Worker::Member::wake() {
  readable = true;
  worker->activate(*this);
}

void Worker::sleep() {
  uint64_t wait_ns = longest_wait_ns();
  if (poller_ != nullptr) wait_ns = std::min(wait_ns, poller_->may_sleep_ns());
  look(wait_ns);
}

void Worker::run() {
  while (!stopping_.load(std::memory_order_relaxed)) {
    turn();
    const uint64_t now = monotonic_clock().now_ns();
    rest(now);
    if (now - swept_ns_ > kSweepNs) wake_due(now);
    if (!active_.empty()) {
      if (now - looked_ns_ > kLookNs) {
        look(0);
        revive_stalled();
      }
    } else if (now < spin_until_ns_) {
      counters_.spins.add();
      look(0);
      revive_stalled();
    } else if (port_.worker_may_sleep()) {
      counters_.sleeps.add();
      sleep();
      port_.worker_woke();
      revive_stalled();
    }
    end_naps(looked_ns_);
  }
}

void Worker::look_now() { look(0); }

bool Worker::step() {
  turned_by_others_ = true;
  if (!stalled_.empty()) revive_stalled();
  const bool moved = turn();
  const uint64_t now = monotonic_clock().now_ns();
  rest(now);
  if (now - swept_ns_ > kSweepNs) wake_due(now);
  return moved;
}

int Worker::wait_ms() const {
  if (!active_.empty() || port_.has_commands()) return 0;
  return static_cast<int>((stalled_.empty() ? kIdleWaitNs : kStalledWaitNs) / kMillisecondNs);
}

ResultOrText<std::unique_ptr<MovingSession>> Worker::release(SessionId id, const DriverSet& drivers) {
  take_commands();
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || !found->second.session->may_move()) return std::unique_ptr<MovingSession>();
  Member& member = found->second;
  const auto prepared = member.session->move_to(drivers);
  if (!prepared) return fail(prepared.error());
  if (member.watched != 0) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, member.session->transport().descriptor(), nullptr);
  if (member.active) std::erase(active_, &member);
  std::unique_ptr<MovingSession> moving = std::move(member.session);
  sessions_.erase(found);
  return moving;
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
    if (found == sessions_.end()) {
      wipe(command->bytes.data(), command->bytes.size());
      continue;
    }
    activate(found->second);
    found->second.session->take_command(std::move(*command));
  }
  return any;
}

void Worker::adopt(PortCommand&& command) {
  const SessionId id = command.session;
  Member& member = sessions_[id];
  if (command.moving) {
    member.session.reset(static_cast<Session*>(command.moving.release()));
    member.session->move_to(pool_, *this);
  } else {
    member.session = std::make_unique<Session>(id, std::move(command.transport), pool_, *this, command.limits,
                                               std::move(command.activity));
  }
  member.worker = this;
  member.told = member.session->transport().set_waker(&member);
  // What came before it was here woke nobody.
  member.readable |= member.told;
  watch_transport(member);
  activate(member);
}

void Worker::activate(Member& member) {
  if (member.active) return;
  member.active = true;
  member.lean = false;
  active_.push_back(&member);
}

void Worker::activate(SessionId session) {
  const auto found = sessions_.find(session);
  if (found != sessions_.end()) activate(found->second);
}

bool Worker::poll() {
  const size_t done = dispatch_.poll();
  if (done == 0) return false;
  counters_.records.add(done);
  counters_.batches.add();
  return true;
}

bool Worker::turn() {
  bool moved = take_commands();
  if (poller_ != nullptr) moved |= poller_->take_in();
  // The first ones for whom the batch had no room, of what came and of what goes.
  size_t left_out_receiving = 0, left_out_sending = 0;
  for (Member* member : active_) {
    left_out_receiving += !dispatch_.full();
    if (std::exchange(member->readable, false) || polls(*member)) {
      member->session->receive();
      member->received_ns = turned_ns_;
    }
    member->session->frame(port_, dispatch_);
  }
  dispatch_.submit();
  moved |= poll();
  const uint64_t now = turned_ns_ = monotonic_clock().now_ns();
  for (Member* member : active_) {
    member->session->deliver(port_);
    left_out_sending += !dispatch_.full();
    member->session->send(port_, dispatch_, now);
  }
  // What control answers may be ready by the time that this turn's records are sealed and sent.
  port_.wake_control_for_events();
  dispatch_.submit();
  moved |= poll();
  for (Member* member : active_) member->session->commit(port_);
  if (poller_ != nullptr) poller_->send_out();
  for (size_t i = 0; i < active_.size();) {
    Member& member = *active_[i];
    if (member.session->take_moved()) {
      member.spin.moved(now);
      const SessionId id = member.session->id();
      if (std::exchange(last_mover_, id) != id) others_moved_ns_ = now;
      moved = true;
    }
    if (!drop_if_over(member, now)) ++i;
  }
  port_.wake_control_for_events();
  begin_next_turn_with(std::min(left_out_receiving, left_out_sending));
  counters_.turns.add();
  if (moved) counters_.busy.add();
  return moved;
}

// Who comes first takes what it can of the batch: whoever found no room comes first next time.
void Worker::begin_next_turn_with(size_t first) {
  if (active_.size() < 2) return;
  const size_t place = std::clamp<size_t>(first, 1, active_.size() - 1);
  std::rotate(active_.begin(), active_.begin() + static_cast<std::ptrdiff_t>(place), active_.end());
}

// True: the member is gone, and another one may be in its place of the list.
bool Worker::drop_if_over(Member& member, uint64_t now) {
  if (!member.session->over(now) || !member.session->dismiss_sink(port_)) return false;
  PortEvent event;
  event.kind = PortEvent::Kind::ended;
  event.session = member.session->id();
  if (!port_.post(std::move(event))) return false;
  *std::find(active_.begin(), active_.end(), &member) = active_.back();
  active_.pop_back();
  sessions_.erase(member.session->id());
  return true;
}

// Without a descriptor nothing but turns can find out what came.
bool Worker::is_blind(const Member& member) { return member.session->transport().descriptor() < 0 && !member.told; }

bool Worker::is_stalled(const Member& member) {
  if (member.told) return member.session->busy() && !member.session->transport().has_unsent();
  return member.watched == 0 || (member.session->busy() && (member.watched & EPOLLOUT) == 0);
}

// Before its channels are open and while keys are exchanged the next message is a round trip away. Spinning for it
// costs more than it, and control's thread may be waiting for this very core.
bool Worker::polls(const Member& member) const {
  const Session& session = *member.session;
  if (is_blind(member)) return true;
  if (member.told) return false;
  // What it sends may keep it active for long, and epoll is silent about less than kWakeBytes.
  if (member.pace.naps()) return turned_ns_ - member.received_ns >= StreamPace::kNapNs;
  return member.spin.is_hot() && session.has_channels() && !session.turning();
}

// A peer on this core, or one whose packets interrupt it, would only be kept from it. Of several one has something to
// do.
bool Worker::is_worth_a_spin(const Member& member, uint64_t now) const {
  Session& session = *member.session;
  if (turned_by_others_ || member.told || member.pace.naps() || !member.spin.is_dialogue(now)) return false;
  if (!session.has_channels() || session.turning() || now - others_moved_ns_ < kAloneNs) return false;
  const int core = session.transport().peer_core();
  return core >= 0 && core != ::sched_getcpu();
}

void Worker::rest(uint64_t now) {
  for (size_t i = 0; i < active_.size();) {
    Member& member = *active_[i];
    // However long the last turn took: who moved in it may have more to do, and nothing else would wake it.
    const bool moved = member.spin.moved_ns() == turned_ns_;
    const bool spins = !member.pace.naps() && polls(member) && now - member.spin.moved_ns() <= kShortSpinNs;
    if (is_blind(member) || moved || spins || member.session->in_flight()) {
      ++i;
      continue;
    }
    set_pace(member, now);
    if (is_worth_a_spin(member, now)) spin_until_ns_ = member.spin.spin(now);
    member.active = false;
    active_[i] = active_.back();
    active_.pop_back();
    watch_transport(member);
    if (is_stalled(member)) stalled_.push_back(member.session->id());
  }
}

// To the front: what they wait for is what the others took before them.
void Worker::revive_stalled() {
  const auto others = static_cast<std::ptrdiff_t>(active_.size());
  for (const SessionId id : std::exchange(stalled_, {})) {
    const auto found = sessions_.find(id);
    if (found == sessions_.end()) continue;
    found->second.readable = true;
    activate(found->second);
  }
  std::rotate(active_.begin(), active_.begin() + others, active_.end());
}

// A login or a key exchange is no stream: each of its steps is waited for. So nobody on a porch naps.
void Worker::set_pace(Member& member, uint64_t now) {
  // Its port is polled anyway.
  if (member.told) return;
  const uint64_t bytes = member.session->take_moved_bytes();
  const bool waited_for = turned_by_others_ || member.session->turning() || !member.session->has_channels();
  if (waited_for ? member.pace.hurry() : member.pace.note(bytes, now))
    member.session->transport().wake_for(member.pace.naps() ? StreamPace::kWakeBytes : 1);
  if (!member.pace.naps()) return;
  if (napping_.empty()) nap_over_ns_ = now + StreamPace::kNapNs;
  napping_.push_back(member.session->id());
}

void Worker::end_naps(uint64_t now) {
  if (napping_.empty() || now < nap_over_ns_) return;
  for (const SessionId id : std::exchange(napping_, {})) {
    const auto found = sessions_.find(id);
    // Others have been woken meanwhile.
    if (found == sessions_.end() || found->second.active) continue;
    found->second.readable = true;
    activate(found->second);
  }
}

uint64_t Worker::longest_wait_ns() const {
  if (!napping_.empty()) return nap_over_ns_ > turned_ns_ ? nap_over_ns_ - turned_ns_ : 0;
  return stalled_.empty() ? kIdleWaitNs : kStalledWaitNs;
}

void Worker::wake_due(uint64_t now) {
  swept_ns_ = now;
  MirroredMemory::trim_kept();
  for (auto& [id, member] : sessions_) {
    if (member.active) continue;
    if (member.session->due(now)) {
      activate(member);
    } else if (!member.lean && now - member.spin.moved_ns() > kSweepNs) {
      member.lean = true;
      member.session->give_memory_back();
    }
  }
}

// A full ring is not asked to receive and an empty one not to send: level-triggered readiness would never let us sleep.
void Worker::watch_transport(Member& member) {
  Transport& transport = member.session->transport();
  const uint32_t wanted = (transport.can_receive() ? static_cast<uint32_t>(EPOLLIN) : 0u) |
                          (transport.has_unsent() ? static_cast<uint32_t>(EPOLLOUT) : 0u);
  if (wanted == member.watched || transport.descriptor() < 0) return;
  // Errors and hang-ups are always reported: a descriptor of which nothing is wanted must go, or we would never sleep.
  const int change = member.watched == 0 ? EPOLL_CTL_ADD : wanted == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
  epoll_event event{};
  event.events = wanted;
  event.data.u64 = member.session->id();
  if (::epoll_ctl(epoll_, change, transport.descriptor(), &event) == 0) member.watched = wanted;
}

void Worker::look(uint64_t wait_ns) {
  std::array<epoll_event, 64> events;
  const timespec wait{static_cast<time_t>(wait_ns / kSecondNs), static_cast<long>(wait_ns % kSecondNs)};
  int n = ::epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &wait, nullptr);
  // Kernels before 5.11.
  if (n < 0 && errno == ENOSYS) {
    const auto milliseconds = static_cast<int>((wait_ns + kMillisecondNs - 1) / kMillisecondNs);
    n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), milliseconds);
  }
  looked_ns_ = monotonic_clock().now_ns();
  for (int i = 0; i < n; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    if (event.data.u64 == 0) continue;
    if ((event.data.u64 & kWatchBit) == 0) {
      const auto found = sessions_.find(event.data.u64);
      if (found == sessions_.end()) continue;
      found->second.readable = true;
      activate(found->second);
    } else {
      // One handler may have ended the watch of another that is in the same list.
      const Watch watch = watches_[static_cast<uint32_t>(event.data.u64)];
      if (!watch.watcher || watch_tag(static_cast<uint32_t>(event.data.u64), watch.generation) != event.data.u64) {
        continue;
      }
      watch.watcher->on_ready(event.events);
      activate(watch.session);
    }
  }
}

bool Worker::watch(int descriptor, SessionId session, Watcher& watcher) {
  SLUICE_CHECK(!watch_of_.contains(descriptor));
  uint32_t index = static_cast<uint32_t>(watches_.size());
  if (free_watches_.empty()) {
    watches_.emplace_back();
  } else {
    index = free_watches_.back();
    free_watches_.pop_back();
  }
  Watch& watch = watches_[index];
  watch.watcher = &watcher;
  watch.session = session;
  epoll_event event{};
  const uint32_t room = watcher.waits_for_room() ? uint32_t{EPOLLOUT} : 0u;
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLET | room;
  event.data.u64 = watch_tag(index, watch.generation);
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0) {
    watch.watcher = nullptr;
    free_watches_.push_back(index);
    return false;
  }
  watch_of_[descriptor] = index;
  return true;
}

void Worker::unwatch(int descriptor) {
  const auto found = watch_of_.find(descriptor);
  if (found == watch_of_.end()) return;
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, descriptor, nullptr);
  Watch& watch = watches_[found->second];
  watch.watcher = nullptr;
  ++watch.generation;
  free_watches_.push_back(found->second);
  watch_of_.erase(found);
}

}  // namespace sluice
