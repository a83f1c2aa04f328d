// Packets to events to listeners.
#include "control/monitor_gate.h"

#include "base/check.h"

namespace sluice {
namespace {

// The link is full only when the monitor is busy with as much; it is tried again this often.
constexpr int64_t kFlushAgainMs = 2;
constexpr int64_t kFlushSoonMs = 20;

}  // namespace

MonitorGate::MonitorGate(ControlLoop& loop, int descriptor, std::function<void()> on_lost)
    : loop_(loop), link_(descriptor), on_lost_(std::move(on_lost)) {
  loop_.watch(link_.descriptor(), [this] { take_packets(); });
  ask_host_keys();
}

MonitorGate::~MonitorGate() { loop_.unwatch(link_.descriptor()); }

void MonitorGate::ask_host_keys() {
  ++lists_awaited_;
  client_.list_host_keys();
  flush();
}

void MonitorGate::when_listed(std::function<void()> then) {
  if (lists_awaited_ == 0) return then();
  after_lists_.push_back(std::move(then));
}

uint32_t MonitorGate::open(const LoginSource& source, Listener& listener) {
  const uint32_t connection = client_.open(source);
  listeners_[connection] = &listener;
  flush_soon();
  return connection;
}

void MonitorGate::close(uint32_t connection) {
  listeners_.erase(connection);
  brokers_.erase(connection);
  client_.close(connection);
  flush_soon();
}

void MonitorGate::sign(uint32_t connection, const SignRequest& request) {
  client_.sign(connection, request);
  flush();
}

void MonitorGate::prove(uint32_t connection, const std::vector<ProofKey>& keys) {
  client_.prove(connection, keys);
  flush();
}

void MonitorGate::ask(uint32_t connection, const AuthQuestion& question) {
  client_.ask(connection, question);
  flush();
}

void MonitorGate::start_broker(uint32_t connection, BrokerDone then) {
  if (lost_) return then(fail("the monitor is gone"));
  const bool only_one = brokers_.emplace(connection, std::move(then)).second;
  SLUICE_CHECK(only_one);
  client_.start_broker(connection);
  flush();
}

void MonitorGate::settle_broker(uint32_t connection, ResultOrText<UniqueFd> link) {
  const auto found = brokers_.find(connection);
  if (found == brokers_.end()) return;
  // Out of the list first: it may ask for another.
  const BrokerDone then = std::move(found->second);
  brokers_.erase(found);
  then(std::move(link));
}

// With what is asked next, or a little later: nobody waits for it.
void MonitorGate::flush_soon() {
  if (!std::exchange(flush_due_, true)) loop_.after(kFlushSoonMs, [this] { flush(); });
}

void MonitorGate::flush() {
  flush_due_ = false;
  if (lost_) return;
  if (!link_.flush(client_.output())) return lose();
  if (!client_.output().empty()) loop_.after(kFlushAgainMs, [this] { flush(); });
}

void MonitorGate::lose() {
  if (std::exchange(lost_, true)) return;
  loop_.unwatch(link_.descriptor());
  while (!brokers_.empty()) settle_broker(brokers_.begin()->first, fail("the monitor is gone"));
  on_lost_();
}

void MonitorGate::take_packets() {
  while (!lost_) {
    Bytes packet;
    const auto outcome = link_.receive(packet);
    if (outcome == MonitorLink::Outcome::would_block) return;
    if (outcome == MonitorLink::Outcome::ended) return lose();
    auto events = client_.take_packet(packet, link_.take_descriptor());
    if (!events) return lose();
    for (MonitorEvent& event : *events) take_event(std::move(event));
  }
}

void MonitorGate::take_event(MonitorEvent&& event) {
  if (auto* listed = std::get_if<HostKeysListed>(&event)) {
    first_methods_ = listed->first_methods;
    host_keys_ = std::make_shared<const std::vector<OfferedHostKey>>(std::move(listed->keys));
    if (ready_) ready_();
    if (lists_awaited_ > 0) --lists_awaited_;
    if (lists_awaited_ > 0) return;
    for (const auto& then : std::exchange(after_lists_, {})) then();
    return;
  }
  const auto with_listener = [this](uint32_t connection, auto&& then) {
    const auto found = listeners_.find(connection);
    if (found != listeners_.end()) then(*found->second);
  };
  if (auto* made = std::get_if<Signed>(&event)) {
    with_listener(made->connection, [&](Listener& l) { l.on_signed(std::move(made->signature)); });
  } else if (auto* proved = std::get_if<Proved>(&event)) {
    with_listener(proved->connection, [&](Listener& l) { l.on_proved(proved->signatures); });
  } else if (auto* judged = std::get_if<Judged>(&event)) {
    with_listener(judged->connection, [&](Listener& l) { l.on_judged(std::move(judged->verdict)); });
  } else if (auto* answered = std::get_if<BrokerAnswered>(&event)) {
    if (answered->reply.started)
      settle_broker(answered->connection, std::move(answered->link));
    else
      settle_broker(answered->connection, fail(std::move(answered->reply.text)));
  } else if (auto* condemned = std::get_if<Condemned>(&event)) {
    settle_broker(condemned->connection, fail(condemned->reason));
    with_listener(condemned->connection, [&](Listener& l) { l.on_condemned(condemned->reason); });
  }
}

}  // namespace sluice
