// Pushing, preparing keys, and waking.
#include "dataplane/control_port.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

namespace sluice {
namespace {

void wake(int descriptor) {
  const uint64_t one = 1;
  // Fails only when the counter is full, and then the other side is awake.
  [[maybe_unused]] const ssize_t n = ::write(descriptor, &one, sizeof one);
}

PortCommand command_for(PortCommand::Kind kind, SessionId session) {
  PortCommand command;
  command.kind = kind;
  command.session = session;
  return command;
}

// Each is lines of text on control's thread, which others' logins need: a flood is told in part. Of this worker's.
bool may_tell_packet() {
  constexpr unsigned kMostASecond = 1000;
  constexpr uint64_t kNsInS = 1'000'000'000;
  thread_local uint64_t this_second = 0;
  thread_local unsigned told = 0;
  if (const uint64_t second = monotonic_clock().now_ns() / kNsInS; std::exchange(this_second, second) != second)
    told = 0;
  return ++told <= kMostASecond;
}

}  // namespace

ControlPort::ControlPort(const DriverSet& drivers)
    : drivers_(drivers),
      up_wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      down_wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  SLUICE_CHECK(up_wake_ >= 0 && down_wake_ >= 0);
}

ControlPort::~ControlPort() {
  ::close(up_wake_);
  ::close(down_wake_);
}

void ControlPort::push(PortCommand&& command) {
  if (!awaited_.empty()) {
    const auto awaited = awaited_.find(command.session);
    if (awaited != awaited_.end()) return awaited->second.push_back(std::move(command));
  }
  if (!overflow_.empty()) retry_commands();
  if (!overflow_.empty() || !down_.push(std::move(command))) overflow_.push_back(std::move(command));
  pushed_ = true;
}

void ControlPort::retry_commands() {
  bool any = false;
  while (!overflow_.empty() && down_.push(std::move(overflow_.front()))) {
    overflow_.pop_front();
    any = true;
  }
  if (any) pushed_ = true;
}

std::shared_ptr<const Activity> ControlPort::adopt(SessionId session, std::unique_ptr<Transport> transport,
                                                   const RekeyLimits& limits) {
  PortCommand command = command_for(PortCommand::Kind::adopt, session);
  command.limits = limits;
  command.transport = std::move(transport);
  auto activity = std::make_shared<Activity>();
  command.activity = activity;
  push(std::move(command));
  return activity;
}

void ControlPort::adopt_moving(SessionId session, std::unique_ptr<MovingSession> moving) {
  auto waited = awaited_.extract(session);
  PortCommand command = command_for(PortCommand::Kind::adopt, session);
  command.moving = std::move(moving);
  push(std::move(command));
  if (waited.empty()) return;
  for (PortCommand& next : waited.mapped()) push(std::move(next));
}

void ControlPort::send_raw(SessionId session, std::vector<uint8_t> bytes) {
  PortCommand command = command_for(PortCommand::Kind::send_raw, session);
  command.bytes = std::move(bytes);
  push(std::move(command));
}

void ControlPort::send(SessionId session, std::vector<uint8_t> payload) {
  PortCommand command = command_for(PortCommand::Kind::send, session);
  command.bytes = std::move(payload);
  push(std::move(command));
}

void ControlPort::expect_newkeys(SessionId session, bool strict) {
  PortCommand command = command_for(PortCommand::Kind::expect_newkeys, session);
  command.flag = strict;
  push(std::move(command));
}

ResultOrText<void> ControlPort::push_keys(PortCommand::Kind kind, SessionId session, Direction direction,
                                          const CipherSuite& suite, const KeyMaterial& keys, bool flag) {
  auto epoch = KeyEpoch::prepare(suite, direction, keys, drivers_, monotonic_clock().now_ns());
  if (!epoch) return fail(epoch.error());
  if (keeps_keys_) (*epoch)->keep(keys);
  PortCommand command = command_for(kind, session);
  command.flag = flag;
  command.epoch = std::move(*epoch);
  push(std::move(command));
  return {};
}

ResultOrText<void> ControlPort::install_receive(SessionId session, const CipherSuite& suite, const KeyMaterial& keys) {
  return push_keys(PortCommand::Kind::install_receive, session, Direction::open, suite, keys, false);
}

ResultOrText<void> ControlPort::send_newkeys(SessionId session, const CipherSuite& suite, const KeyMaterial& keys,
                                             bool strict) {
  return push_keys(PortCommand::Kind::send_newkeys, session, Direction::seal, suite, keys, strict);
}

void ControlPort::open_channels(SessionId session, std::unique_ptr<ConnectionSink> sink) {
  PortCommand command = command_for(PortCommand::Kind::open_channels, session);
  command.sink = std::move(sink);
  push(std::move(command));
}

void ControlPort::tell_sink(SessionId session, SinkNote&& note) {
  PortCommand command = command_for(PortCommand::Kind::note, session);
  command.note = std::move(note);
  push(std::move(command));
}

void ControlPort::close(SessionId session) { push(command_for(PortCommand::Kind::close, session)); }

bool ControlPort::post(PortEvent&& event) {
  if (!up_.push(std::move(event))) return false;
  posted_ = true;
  return true;
}

void ControlPort::post_packet(SessionId session, const PacketSeen& packet) {
  if (up_.size() >= kPortDepth / 4 || !may_tell_packet()) return;
  PortEvent event;
  event.kind = PortEvent::Kind::packet;
  event.session = session;
  event.packet = packet;
  post(std::move(event));
}

void ControlPort::wake_worker_for_commands() {
  if (std::exchange(pushed_, false) && worker_asleep_.exchange(false, std::memory_order_acq_rel)) wake(down_wake_);
}

void ControlPort::wake_control_for_events() {
  if (std::exchange(posted_, false) && control_asleep_.exchange(false, std::memory_order_acq_rel)) wake(up_wake_);
}

void ControlPort::wake_worker() const { wake(down_wake_); }

}  // namespace sluice
