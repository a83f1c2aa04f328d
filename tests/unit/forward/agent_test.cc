// Agents: the server's socket and the client's channels.
#include "services/forward/agent_forwarding.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <filesystem>

#include "tests/unit/forward/forward_world.h"

namespace sluice {
namespace {

using namespace test;

struct Agent {
  int answers = 0;
  bool ok = false;
  uint32_t handle = 0;
};

class AgentForwarding : public testing::Test {
 protected:
  void ask(Agent& agent) {
    world.pair();
    request_agent(*world.services, [&agent](bool ok, uint32_t handle) {
      ++agent.answers;
      agent.ok = ok;
      agent.handle = handle;
    });
  }
  bool answered(const Agent& agent) {
    return world.settle([&] { return agent.answers > 0; });
  }

  ForwardWorld world;
};

TEST_F(AgentForwarding, gives_one_socket_to_all_sessions_and_channels_to_who_connects) {
  Agent first, second, third;
  ask(first);
  ask(second);
  ASSERT_TRUE(answered(second));
  EXPECT_TRUE(first.ok && second.ok);
  EXPECT_EQ(first.handle, second.handle);
  ask(third);
  EXPECT_EQ(third.answers, 1);
  EXPECT_EQ(third.handle, first.handle);
  EXPECT_EQ(first.answers, 1);

  const auto program = world.spawn_with_agent(first.handle, "printf %s \"$SSH_AUTH_SOCK\"");
  ASSERT_FALSE(program.empty());
  UniqueFd visitor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy(program.begin(), program.end(), address.sun_path);
  ASSERT_EQ(::connect(visitor.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << program;
  ASSERT_TRUE(world.pair().until([&] { return !world.forwarded.empty(); }));
  EXPECT_EQ(world.forwarded[0].type, "auth-agent@openssh.com");
  EXPECT_TRUE(world.forwarded[0].extra.empty());
  write_some(visitor.get(), "sign this");
  std::string got;
  EXPECT_TRUE(world.pair().until(
      [&] { return (got += read_some(world.forwarded[0].socket.get()).value_or("")) == "sign this"; }));
}

TEST_F(AgentForwarding, is_refused_where_it_is_off) {
  world.settings.agent_forwarding = false;
  Agent agent;
  ask(agent);
  EXPECT_EQ(agent.answers, 1);
  EXPECT_FALSE(agent.ok);
}

TEST_F(AgentForwarding, is_refused_to_a_key_that_may_not) {
  world.login.agent_forwarding = false;
  Agent agent;
  ask(agent);
  EXPECT_EQ(agent.answers, 1);
  EXPECT_FALSE(agent.ok);
}

TEST_F(AgentForwarding, is_refused_by_the_broker_in_the_end) {
  world.policy.agent = false;
  Agent agent, again;
  ask(agent);
  ASSERT_TRUE(answered(agent));
  EXPECT_FALSE(agent.ok);
  ask(again);
  ASSERT_TRUE(answered(again));
  EXPECT_FALSE(again.ok);
}

}  // namespace
}  // namespace sluice
