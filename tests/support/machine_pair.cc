// Carrying messages between two machines.
#include "tests/support/machine_pair.h"

#include "base/message_numbers.h"

namespace sluice::test {

HostKeySigner& test_host_keys() {
  static LocalHostKeys keys(all_host_keys());
  return keys;
}

MachineEnd::MachineEnd(const TransportConfig& config, HostKeySigner* host_keys)
    : machine(config, {*this, *this, host_keys, this, *this}) {
  machine.start();
}

void MachineEnd::deliver_line(std::string_view line) {
  std::string bytes(line);
  bytes.append("\r\n");
  machine.take_bytes(bytes_of(bytes));
}

void MachineEnd::deliver(std::vector<uint8_t> payload) {
  if (turned_ > keys_installed) return parked_.push_back(std::move(payload));
  const uint32_t sequence = next_sequence++;
  if (payload[0] != kMsgNewKeys) return machine.take_message(payload, sequence);
  // The data path's part: refuse what was not expected, turn, tell.
  if (!newkeys_expected) return machine.fail_with(ErrorCode::unexpected_message);
  newkeys_expected = false;
  if (machine.strict()) next_sequence = 0;
  ++turned_;
  machine.peer_turned();
}

bool MachineEnd::run(std::function<void()> work, std::function<void()> then) {
  slow_.emplace_back(std::move(work), std::move(then));
  return true;
}

bool MachineEnd::run_slow() {
  if (slow_.empty() || pool_stands_still) return false;
  const auto [work, then] = std::move(slow_.front());
  slow_.pop_front();
  work();
  then();
  while (turned_ <= keys_installed && !parked_.empty()) {
    const auto payload = std::move(parked_.front());
    parked_.pop_front();
    deliver(payload);
  }
  return true;
}

MachinePair::MachinePair(TransportConfig client_config, TransportConfig server_config, HostKeySigner* host_keys)
    : client(client_config, nullptr), server(server_config, host_keys ? host_keys : &test_host_keys()) {}

bool MachinePair::carry(MachineEnd& from, MachineEnd& to) {
  bool moved = false;
  while (!from.lines.empty()) {
    to.deliver_line(from.lines.front());
    from.lines.pop_front();
    moved = true;
  }
  while (!from.sent.empty() && !to.closed) {
    auto payload = std::move(from.sent.front());
    from.sent.pop_front();
    to.deliver(std::move(payload));
    moved = true;
  }
  return moved;
}

void MachinePair::exchange_lines() {
  for (auto [from, to] : {std::pair{&client, &server}, std::pair{&server, &client}}) {
    to->deliver_line(from->lines.front());
    from->lines.pop_front();
  }
}

void MachinePair::settle() {
  bool moved = true;
  for (int i = 0; i < 1000 && moved; ++i) {
    moved = carry(client, server);
    moved |= carry(server, client);
    moved |= client.run_slow();
    moved |= server.run_slow();
  }
}

void MachinePair::connect() {
  settle();
  client.machine.request_service("ssh-userauth");
  settle();
  client.machine.set_authenticated();
  server.machine.set_authenticated();
}

}  // namespace sluice::test
