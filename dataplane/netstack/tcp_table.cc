// The table's bookkeeping: pools, timers, bursts, the ends of connections.
#include "dataplane/netstack/tcp_table.h"

#include <algorithm>

#include "base/check.h"

namespace sluice {
namespace {

constexpr uint64_t kChallengeUs = 100'000;
// Of all strangers together. How many are left tells one of them, who also speaks in another's name, whether that one
// is connected; so nobody knows how many there are: up to half of them less, another number each time.
constexpr uint32_t kMostChallenges = 1000;
// A sink that had no room is asked again by then even if nobody says that it has some.
constexpr uint64_t kRoomUs = 1000;
constexpr uint16_t kFirstPort = 32768;
constexpr uint32_t kPorts = 28232;  // as Linux: up to 60999

}  // namespace

TcpTable::TcpTable(const TcpSettings& settings, SegmentSink& sink, uint64_t now)
    : settings_(settings),
      sink_(sink),
      secrets_(settings.secret),
      index_(settings.most_connections + settings.syn_backlog + settings.most_time_waits),
      half_open_(settings.syn_backlog),
      time_waits_(settings.most_time_waits) {
  for (auto* list : {&heap_, &burst_, &waiting_, &buried_}) list->reserve(settings.most_connections);
  listeners_.reserve(settings.most_listeners);
  set_now(now);
}

TcpTable::~TcpTable() {
  for (auto& connection : slots_) {
    if (connection) connection->abandon();
  }
}

void TcpTable::set_now(uint64_t now) {
  now_ns_ = std::max(now_ns_, now);
  // 0 reads as "never".
  now_us_ = std::max<uint64_t>(now_ns_ / 1000, 1);
}

TcpTable::Found TcpTable::find(const IpEndpoints& endpoints) {
  TcpConnection*& last = recent(endpoints);
  if (last != nullptr && last->endpoints() == endpoints) return {{TcpIndex::Kind::connection, last->slot()}, true};
  Found out;
  out.found =
      index_.find(secrets_.table_hash(endpoints), out.key, [&](Key key) { return endpoints_of(key) == endpoints; });
  if (out.found && out.key.kind == TcpIndex::Kind::connection) last = slots_[out.key.index].get();
  return out;
}

const IpEndpoints& TcpTable::endpoints_of(Key key) const {
  switch (key.kind) {
    case TcpIndex::Kind::half_open: return half_open_[key.index].endpoints;
    case TcpIndex::Kind::time_wait: return time_waits_[key.index].endpoints;
    case TcpIndex::Kind::connection: break;
  }
  return slots_[key.index]->endpoints();
}

bool TcpTable::listen(const IpEndpoint& at, TcpAcceptor& acceptor) {
  const bool taken = std::any_of(listeners_.begin(), listeners_.end(), [&](const Listener& l) { return l.at == at; });
  if (taken || listeners_.size() >= settings_.most_listeners) return false;
  listeners_.push_back({at, &acceptor});
  return true;
}

void TcpTable::stop_listening(const IpEndpoint& at) {
  std::erase_if(listeners_, [&](const Listener& listener) { return listener.at == at; });
  // Whoever is half in has nobody to come to.
  for (uint32_t i = half_open_.first(); i != half_open_.kNone;) {
    const uint32_t next = half_open_.after(i);
    if (listener_of(half_open_[i].endpoints.local) == nullptr) drop_half_open(i);
    i = next;
  }
}

TcpAcceptor* TcpTable::listener_of(const IpEndpoint& local) const {
  TcpAcceptor* any = nullptr;
  for (const Listener& listener : listeners_) {
    if (listener.at.port != local.port) continue;
    if (listener.at.address == local.address) return listener.acceptor;
    // One for all addresses serves both families.
    if (listener.at.address.is_unspecified()) any = listener.acceptor;
  }
  return any;
}

uint32_t TcpTable::free_slot() {
  if (free_slots_.empty()) {
    slots_.emplace_back();
    return static_cast<uint32_t>(slots_.size() - 1);
  }
  const uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  return slot;
}

std::unique_ptr<TcpTransport> TcpTable::connect(IpEndpoints endpoints) {
  reap();
  if (endpoints.local.address.is_unspecified()) {
    const auto source = sink_.source_for(endpoints.remote.address);
    if (!source) return nullptr;
    endpoints.local.address = *source;
  }
  if (sink_.path(endpoints.local.address, endpoints.remote.address).mtu == 0) return nullptr;
  if (connection_count_ >= settings_.most_connections) return count_refusal(), nullptr;
  if (endpoints.local.port == 0) {
    const uint32_t offset = secrets_.port_offset(endpoints);
    uint32_t tried = 0;
    do {
      endpoints.local.port = static_cast<uint16_t>(kFirstPort + (offset + next_port_++) % kPorts);
    } while (find(endpoints).found && ++tried < kPorts);
  }
  if (find(endpoints).found) return nullptr;
  const uint32_t slot = free_slot();
  slots_[slot] = std::make_unique<TcpConnection>(*this, slot, endpoints);
  TcpConnection& connection = *slots_[slot];
  ++connection_count_;
  index_.add(secrets_.table_hash(endpoints), {TcpIndex::Kind::connection, slot});
  auto transport = connection.ok() ? connection.open_active() : nullptr;
  if (!transport) {
    count_refusal();
    retire(connection);
    connection.abandon();
    bury(connection);
  }
  return transport;
}

void TcpTable::count_refusal() { counters_.add(TcpCount::memory_refused); }

bool TcpTable::take_memory(size_t bytes) {
  if (memory_ + bytes > settings_.memory_budget) return false;
  memory_ += bytes;
  return true;
}

bool TcpTable::take_orphan() {
  if (orphans_ >= std::max<size_t>(settings_.most_connections / 8, 1)) return false;
  ++orphans_;
  return true;
}

bool TcpTable::may_challenge() {
  if (most_challenges_ == 0 || now_us_ - challenge_window_ > kChallengeUs) {
    challenge_window_ = now_us_;
    challenges_ = 0;
    most_challenges_ = kMostChallenges - secrets_.whim(now_us_) % (kMostChallenges / 2);
  }
  return ++challenges_ <= most_challenges_;
}

void TcpTable::touch(TcpConnection& connection) {
  if (connection.in_burst) return;
  connection.in_burst = true;
  burst_.push_back(&connection);
}

void TcpTable::wait_for_room(TcpConnection& connection) {
  if (connection.waits_for_room) return;
  connection.waits_for_room = true;
  waiting_.push_back(&connection);
}

void TcpTable::end_burst() {
  for (size_t i = 0; i < burst_.size(); ++i) {
    burst_[i]->in_burst = false;
    burst_[i]->finish_burst();
  }
  burst_.clear();
  reap();
}

void TcpTable::resume() {
  // Who finds no room again goes to the end of the list that begins here.
  const size_t n = waiting_.size();
  for (size_t i = 0; i < n; ++i) {
    waiting_[i]->waits_for_room = false;
    touch(*waiting_[i]);
  }
  waiting_.clear();
  end_burst();
}

void TcpTable::retire(TcpConnection& connection) {
  heap_remove(connection);
  if (TcpConnection*& last = recent(connection.endpoints()); last == &connection) last = nullptr;
  index_.remove(secrets_.table_hash(connection.endpoints()), {TcpIndex::Kind::connection, connection.slot()});
}

void TcpTable::bury(TcpConnection& connection) {
  if (connection.buried) return;
  connection.buried = true;
  buried_.push_back(&connection);
}

void TcpTable::reap() {
  if (buried_.empty() || !burst_.empty()) return;
  for (TcpConnection* connection : buried_) {
    if (connection->waits_for_room) std::erase(waiting_, connection);
    memory_ -= connection->memory();
    const uint32_t slot = connection->slot();
    slots_[slot].reset();
    free_slots_.push_back(slot);
    --connection_count_;
  }
  buried_.clear();
}

void TcpTable::enter_time_wait(TcpConnection& connection) {
  if (time_waits_.full()) drop_time_wait(time_waits_.first());
  TcpTimeWait wait;
  wait.endpoints = connection.endpoints();
  wait.next_sequence = connection.next_sequence();
  wait.receive_next = connection.receive_next();
  wait.receive_window = connection.window_edge() - connection.receive_next();
  wait.window_field = static_cast<uint16_t>(std::min<uint32_t>(wait.receive_window >> connection.own_shift(), 65535));
  wait.timestamps = connection.has_timestamps();
  wait.recent_timestamp = connection.recent_timestamp();
  wait.timestamp_offset = connection.timestamp_offset();
  wait.until_us = now_us_ + settings_.time_wait_us;
  connection.end_in_time_wait();
  index_.add(secrets_.table_hash(wait.endpoints), {TcpIndex::Kind::time_wait, time_waits_.add(wait)});
}

void TcpTable::drop_time_wait(uint32_t i) {
  index_.remove(secrets_.table_hash(time_waits_[i].endpoints), {TcpIndex::Kind::time_wait, i});
  time_waits_.remove(i);
}

void TcpTable::drop_half_open(uint32_t i) {
  index_.remove(secrets_.table_hash(half_open_[i].endpoints), {TcpIndex::Kind::half_open, i});
  half_open_.remove(i);
}

void TcpTable::show(const std::function<void(const TcpConnectionFacts&)>& each) const {
  for (const auto& connection : slots_) {
    if (connection && connection->state() != TcpState::closed) each(connection->facts());
  }
  for (uint32_t i = time_waits_.first(); i != time_waits_.kNone; i = time_waits_.after(i)) {
    TcpConnectionFacts facts;
    facts.endpoints = time_waits_[i].endpoints;
    facts.state = TcpState::time_wait;
    each(facts);
  }
}

uint64_t TcpTable::next_deadline_us() const {
  if (!burst_.empty() || !buried_.empty()) return now_us_;
  uint64_t at = heap_.empty() ? UINT64_MAX : heap_.front()->heap_key;
  if (half_open_.size() > 0) at = std::min(at, scan_at_);
  if (time_waits_.size() > 0) at = std::min(at, time_waits_[time_waits_.first()].until_us);
  if (!waiting_.empty()) at = std::min(at, now_us_ + kRoomUs);
  return at;
}

void TcpTable::advance() {
  resume();
  while (!heap_.empty() && heap_.front()->heap_key <= now_us_) {
    TcpConnection& connection = *heap_.front();
    // The key may be of a timer that has been put off since.
    if (connection.deadline() <= now_us_) connection.on_timer();
    if (connection.heap_at == SIZE_MAX) continue;
    const uint64_t next = connection.deadline();
    if (next == UINT64_MAX) {
      heap_remove(connection);
      continue;
    }
    // What could not be done now is not tried twice in one call.
    connection.heap_key = std::max(next, now_us_ + 1);
    sift_down(connection.heap_at);
  }
  while (time_waits_.size() > 0 && time_waits_[time_waits_.first()].until_us <= now_us_) {
    drop_time_wait(time_waits_.first());
  }
  if (half_open_.size() > 0 && scan_at_ <= now_us_) scan_half_open();
  end_burst();
}

void TcpTable::arm(TcpConnection& connection) {
  if (connection.state() == TcpState::closed) return;
  const uint64_t at = connection.deadline();
  if (at == UINT64_MAX) return;
  if (connection.heap_at == SIZE_MAX) {
    connection.heap_key = at;
    heap_.push_back(&connection);
    connection.heap_at = heap_.size() - 1;
    sift_up(connection.heap_at);
  } else if (at < connection.heap_key) {
    connection.heap_key = at;
    sift_up(connection.heap_at);
  }
}

void TcpTable::heap_set(size_t at, TcpConnection* connection) {
  heap_[at] = connection;
  connection->heap_at = at;
}

void TcpTable::sift_up(size_t at) {
  TcpConnection* moving = heap_[at];
  while (at > 0 && moving->heap_key < heap_[(at - 1) / 2]->heap_key) {
    heap_set(at, heap_[(at - 1) / 2]);
    at = (at - 1) / 2;
  }
  heap_set(at, moving);
}

void TcpTable::sift_down(size_t at) {
  TcpConnection* moving = heap_[at];
  for (;;) {
    size_t child = 2 * at + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1]->heap_key < heap_[child]->heap_key) ++child;
    if (moving->heap_key <= heap_[child]->heap_key) break;
    heap_set(at, heap_[child]);
    at = child;
  }
  heap_set(at, moving);
}

void TcpTable::heap_remove(TcpConnection& connection) {
  const size_t at = connection.heap_at;
  if (at == SIZE_MAX) return;
  connection.heap_at = SIZE_MAX;
  TcpConnection* last = heap_.back();
  heap_.pop_back();
  if (last == &connection) return;
  heap_set(at, last);
  sift_up(at);
  sift_down(last->heap_at);
}

}  // namespace sluice
