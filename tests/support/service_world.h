// ServiceWorld: a connection's services with a real broker behind them and channels whose other side is the test.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>

#include "services/connection/connection_notes.h"
#include "tests/support/broker_fixture.h"
#include "tests/support/fake_channel.h"
#include "tests/support/temp_folder.h"

namespace sluice::test {

inline constexpr auto kPatience = std::chrono::seconds(60);

class ServiceWorld {
 public:
  explicit ServiceWorld(LoginFacts login = {}, LinkPolicy policy = {}) : login_(std::move(login)) {
    login_.user = "tester";
    policy_ = std::move(policy);
    // As every server does: a pipe whose reader is gone is an error, not an end.
    ::signal(SIGPIPE, SIG_IGN);
  }
  ~ServiceWorld() {
    service.reset();
    connection_.reset();
  }

  // Made at first use, from what the test has set until then.
  ConnectionServices& connection() {
    if (!connection_) {
      connection_.emplace(makers, std::make_shared<const ServiceSettings>(settings), login_, budget);
      connection_->attach(host);
    }
    return *connection_;
  }

  // One round: the broker's link when it is wanted, what is ready, a turn of the service.
  void turn(int wait_ms = 0) {
    while (!host.notes.empty()) {
      SinkNote note = std::move(host.notes.front());
      host.notes.pop_front();
      if (note.kind == static_cast<uint32_t>(ConnectionNote::log)) log.append(text_of(note.bytes)).append("\n");
      if (note.kind != static_cast<uint32_t>(ConnectionNote::want_broker)) continue;
      broker.emplace(own_identity(folder.path()), policy_);
      SinkNote answer;
      answer.kind = static_cast<uint32_t>(ConnectionNote::broker);
      answer.descriptor = broker->take_link();
      connection().on_note(std::move(answer));
    }
    host.poll(wait_ms);
    connection().on_turn();
    channel.room = 64;
    if (service) service->on_turn();
  }
  // Turns until it is so. False: it never was.
  template <class Condition>
  bool turn_until(Condition&& so) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!so()) {
      if (std::chrono::steady_clock::now() > end) return false;
      turn(1);
    }
    return true;
  }

  void attach(std::unique_ptr<Service> made) {
    service = std::move(made);
    service->attach(channel);
  }
  void send(std::string_view text) {
    std::vector<uint8_t> bytes(text.begin(), text.end());
    const MutableBytes piece(bytes);
    service->on_data({&piece, 1});
  }
  std::string sent() const { return std::string(text_of(channel.data)); }

  ServiceMakers makers;
  ServiceSettings settings;
  // Of the user's other connections too.
  std::shared_ptr<UserBudget> budget;
  TempFolder folder;
  FakeHost host;
  FakeChannel channel{host};
  std::optional<BrokerFixture> broker;
  std::string log;
  std::unique_ptr<Service> service;

 private:
  LoginFacts login_;
  LinkPolicy policy_;
  std::optional<ConnectionServices> connection_;
};

}  // namespace sluice::test
