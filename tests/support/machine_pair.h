// Two transport machines joined without crypto: what one sends the other takes, on one thread, and a test may lie in
// either's name.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/transport/transport_machine.h"
#include "tests/support/test_peer.h"

namespace sluice::test {

// One machine with everything around it recorded.
class MachineEnd final : TransportPort, SlowWork, UpperLayer, HostKeyJudge {
 public:
  MachineEnd(const TransportConfig& config, HostKeySigner* host_keys);

  void deliver_line(std::string_view line);
  // As if the data path had opened it; numbers count up as records do.
  void deliver(std::vector<uint8_t> payload);
  // Work that waits runs now; false when there was none.
  bool run_slow();
  size_t slow_waiting() const { return slow_.size(); }

  TransportMachine machine;
  bool pool_stands_still = false;  // work waits for others' before it
  std::deque<std::string> lines;  // sent
  std::deque<std::vector<uint8_t>> sent;
  std::optional<Disconnect> closed;
  std::string closed_text;
  bool keyed = false;
  bool accept_host_key = true;
  size_t rekeyed = 0;
  size_t upper_messages = 0;
  std::vector<std::string> services;
  std::vector<std::string> ext_infos;
  uint32_t next_sequence = 0;
  bool newkeys_expected = false;
  size_t keys_installed = 0;
  DirectionKeys receive_keys, send_keys;

 private:
  void send_line(std::string_view line) override { lines.emplace_back(line); }
  void send(std::vector<uint8_t> payload) override { sent.push_back(std::move(payload)); }
  void expect_newkeys(bool) override { newkeys_expected = true; }
  void install_receive(DirectionKeys keys) override { receive_keys = std::move(keys), ++keys_installed; }
  void send_newkeys(DirectionKeys keys, bool) override { send_keys = std::move(keys), sent.push_back({21}); }
  void close(Disconnect code, std::string_view text) override { closed = code, closed_text = text; }
  bool run(std::function<void()> work, std::function<void()> then) override;
  void on_keyed(Bytes) override { keyed = true; }
  bool on_service(std::string_view name) override { return services.emplace_back(name), name == "ssh-userauth"; }
  bool on_message(Bytes payload, uint32_t) override { return ++upper_messages, payload[0] <= 53 || payload[0] >= 80; }
  void on_ext_info(std::string_view name, Bytes) override { ext_infos.emplace_back(name); }
  void on_rekeyed() override { ++rekeyed; }
  void on_disconnect(uint32_t, std::string_view) override {}
  void judge(Bytes, std::string_view, Judged then) override { then(accept_host_key); }

  std::deque<std::pair<std::function<void()>, std::function<void()>>> slow_;
  size_t turned_ = 0;
  // Behind a NEWKEYS whose keys are not installed: the data path has not opened them yet.
  std::deque<std::vector<uint8_t>> parked_;
};

class MachinePair {
 public:
  explicit MachinePair(TransportConfig client_config = default_transport_config(Role::client),
                       TransportConfig server_config = default_transport_config(Role::server),
                       HostKeySigner* host_keys = nullptr);

  // Carries everything to and fro until nothing moves.
  void settle();
  // Only identification lines.
  void exchange_lines();
  // Until both are keyed, service accepted and authenticated.
  void connect();
  MachineEnd& end(Role role) { return role == Role::client ? client : server; }

  MachineEnd client;
  MachineEnd server;

 private:
  bool carry(MachineEnd& from, MachineEnd& to);
};

// A session's host keys, made once.
HostKeySigner& test_host_keys();

}  // namespace sluice::test
