// StarterWorld: a starter in a process of its own, and brokers asked of it as the monitor does.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <memory>
#include <optional>

#include "services/broker/broker_starter.h"
#include "tests/support/broker_fixture.h"

namespace sluice::test {

class StarterWorld {
 public:
  explicit StarterWorld(StarterSettings settings = {{.linger_ms = 200}, nullptr})
      : starter_(BrokerStarter::fork_off(settings, test::sum_digests())) {}

  ResultOrText<UniqueFd> link(const UserIdentity& identity, const LinkPolicy& policy = {}) {
    std::optional<ResultOrText<UniqueFd>> got;
    starter_->attach(identity, policy, [&](ResultOrText<UniqueFd> answer) { got.emplace(std::move(answer)); });
    while (!got) {
      pollfd ready{starter_->descriptor(), POLLIN, 0};
      if (::poll(&ready, 1, 30000) != 1) return fail("no answer");
      starter_->receive();
    }
    return std::move(*got);
  }
  std::unique_ptr<BrokerFixture> broker(const UserIdentity& identity, const LinkPolicy& policy = {}) {
    auto got = link(identity, policy);
    EXPECT_TRUE(got.has_value()) << got.error();
    return got ? std::make_unique<BrokerFixture>(std::move(*got)) : nullptr;
  }
  BrokerStarter& starter() { return *starter_; }
  void end() { starter_.reset(); }

 private:
  std::unique_ptr<BrokerStarter> starter_;
};

inline std::string output_of(BrokerFixture& broker, const std::string& command) {
  SpawnProgram spawn;
  spawn.kind = ProgramKind::shell_command;
  spawn.words = {command};
  auto received = broker.ask(spawn);
  BrokerFixture::expect_in<Spawned>(received);
  std::string out;
  if (received.descriptors.size() != 3) return out;
  for (;;) {
    char piece[4096];
    pollfd ready{received.descriptors[1].get(), POLLIN, 0};
    if (::poll(&ready, 1, 30000) != 1) break;
    const ssize_t n = ::read(received.descriptors[1].get(), piece, sizeof piece);
    if (n <= 0) break;
    out.append(piece, static_cast<size_t>(n));
  }
  BrokerFixture::expect_in<ChildExited>(broker.next_event());
  return out;
}

inline pid_t process_of(BrokerFixture& broker) {
  return static_cast<pid_t>(std::stol(output_of(broker, "echo $PPID")));
}

inline UserIdentity user(uint32_t uid, std::string name, std::string home, std::vector<uint32_t> groups = {}) {
  UserIdentity identity;
  identity.name = std::move(name);
  identity.uid = identity.gid = uid;
  identity.groups = std::move(groups);
  identity.home = std::move(home);
  identity.shell = "/bin/sh";
  return identity;
}

}  // namespace sluice::test
