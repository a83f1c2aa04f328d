// The agent client, against ssh-agent and against an agent that misbehaves.
#include "control/keys/agent.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <thread>

#include "base/wire.h"
#include "control/keys/public_key_text.h"
#include "tests/unit/keys/outside.h"

namespace sluice {
namespace {

using test::run;

class RealAgent : public testing::Test {
 protected:
  void SetUp() override {
    socket_ = folder_ / "agent";
    const auto started = run("ssh-agent -s -a " + socket_);
    const size_t at = started.output.find("SSH_AGENT_PID=");
    ASSERT_NE(at, std::string::npos) << started.output;
    pid_ = std::stoi(started.output.substr(at + 14));
    for (const std::string type : {"ed25519", "ecdsa -b 521", "rsa -b 2048"}) {
      const std::string path = folder_ / type.substr(0, 3);
      ASSERT_EQ(run("ssh-keygen -q -N '' -C '" + type + "' -f " + path + " -t " + type).status, 0);
      ASSERT_EQ(run("SSH_AUTH_SOCK=" + socket_ + " ssh-add -q " + path).status, 0);
    }
  }
  void TearDown() override {
    if (pid_ > 0) ::kill(pid_, SIGTERM);
  }

  test::TemporaryFolder folder_;
  std::string socket_;
  pid_t pid_ = 0;
};

TEST_F(RealAgent, lists_its_keys_and_signs_with_every_algorithm) {
  auto agent = AgentClient::connect(socket_);
  ASSERT_TRUE(agent) << agent.error();
  const auto keys = agent->list();
  ASSERT_TRUE(keys) << keys.error();
  ASSERT_EQ(keys->size(), 3u);
  EXPECT_EQ((*keys)[1].comment, "ecdsa -b 521");
  size_t signatures = 0;
  for (const AgentKey& held : *keys) {
    const auto on_disk = read_public_key(bytes_of(test::read_text((folder_ / held.comment.substr(0, 3)) + ".pub")));
    ASSERT_TRUE(on_disk);
    EXPECT_EQ(on_disk->key, held.key);
    for (const SignatureAlgorithm& row : all_signature_algorithms()) {
      if (row.key_type != held.key.type()) continue;
      const auto signature = agent->sign(held.key, row.name, bytes_of("challenge"));
      ASSERT_TRUE(signature) << signature.error() << row.name;
      EXPECT_TRUE(held.key.verify(*signature, row.name, bytes_of("challenge"))) << row.name;
      ++signatures;
    }
  }
  EXPECT_EQ(signatures, 5u);
}

TEST_F(RealAgent, refuses_to_sign_with_a_key_that_it_does_not_hold) {
  auto agent = AgentClient::connect(socket_);
  ASSERT_TRUE(agent);
  const auto stranger = PrivateKey::generate(KeyType::ed25519);
  EXPECT_EQ(agent->sign(stranger->public_key(), "ssh-ed25519", bytes_of("x")).error(), "agent: refused to sign");
  EXPECT_FALSE(agent->sign(stranger->public_key(), "rsa-sha2-256", bytes_of("x")));
  EXPECT_TRUE(agent->list());
}

TEST_F(RealAgent, holds_a_key_that_it_is_given_for_as_long_as_was_said) {
  auto agent = AgentClient::connect(socket_);
  ASSERT_TRUE(agent) << agent.error();
  for (const KeyType type : {KeyType::ed25519, KeyType::ecdsa_nistp384, KeyType::rsa}) {
    const auto key = PrivateKey::generate(type, type == KeyType::rsa ? 2048 : 0);
    ASSERT_TRUE(agent->add(*key, "a comment", {.lifetime_s = 3600}));
    const auto keys = agent->list();
    ASSERT_TRUE(keys) << keys.error();
    EXPECT_EQ(keys->back().key, key->public_key());
    EXPECT_EQ(keys->back().comment, "a comment");
    const std::string_view name = type == KeyType::rsa ? "rsa-sha2-512" : row_of(type).name;
    const auto signature = agent->sign(key->public_key(), name, bytes_of("challenge"));
    ASSERT_TRUE(signature) << signature.error();
    EXPECT_TRUE(key->public_key().verify(*signature, name, bytes_of("challenge")));
  }
  const auto brief = PrivateKey::generate(KeyType::ed25519);
  ASSERT_TRUE(agent->add(*brief, "brief", {.lifetime_s = 1}));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  const auto held = [&] {
    const auto keys = agent->list();
    return keys && std::any_of(keys->begin(), keys->end(), [](const AgentKey& one) { return one.comment == "brief"; });
  };
  while (held() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(held());
}

// What the client says to one scripted answer.
template <class Ask>
auto ask_scripted(const std::vector<uint8_t>& answer, bool hang_up, Ask ask) {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  using std::chrono::milliseconds;
  AgentClient agent(ends[0], {.answer = milliseconds(100), .signature = milliseconds(100)});
  (void)!::write(ends[1], answer.data(), answer.size());
  if (hang_up) ::shutdown(ends[1], SHUT_WR);
  auto result = ask(agent);
  ::close(ends[1]);
  return result;
}

TEST(AgentClient, gives_up_on_agents_that_misbehave) {
  const auto list = [](AgentClient& agent) { return agent.list(); };
  const auto framed = [](const WireWriter& message) { return WireWriter().string(message.view()).take(); };
  const auto key = PrivateKey::generate(KeyType::ed25519);
  const Bytes blob = key->public_key().blob();

  EXPECT_FALSE(ask_scripted({}, false, list));
  EXPECT_FALSE(ask_scripted({}, true, list));
  EXPECT_FALSE(ask_scripted({0, 0, 0, 0}, false, list));
  EXPECT_FALSE(ask_scripted({0xff, 0xff, 0xff, 0xff}, false, list));
  EXPECT_FALSE(ask_scripted({0, 0, 0, 9, 12}, true, list));
  EXPECT_FALSE(ask_scripted(framed(WireWriter().u8(5)), false, list));
  EXPECT_FALSE(ask_scripted(framed(WireWriter().u8(12).u32(0xffffffff)), false, list));
  EXPECT_FALSE(ask_scripted(framed(WireWriter().u8(12).u32(1)), false, list));
  EXPECT_FALSE(ask_scripted(framed(WireWriter().u8(12).u32(0).u8(0)), false, list));
  const auto good = WireWriter().u8(12).u32(2).string(blob).string("c").string("unknown kind").string("d");
  const auto keys = ask_scripted(framed(good), false, list);
  ASSERT_TRUE(keys) << keys.error();
  EXPECT_EQ(keys->size(), 1u);

  const auto sign = [&](AgentClient& agent) { return agent.sign(key->public_key(), "ssh-ed25519", bytes_of("x")); };
  EXPECT_FALSE(ask_scripted(framed(WireWriter().u8(14).string("not a signature")), false, sign));
  const auto other = WireWriter().string("ssh-rsa").string("x").take();
  EXPECT_EQ(ask_scripted(framed(WireWriter().u8(14).string(other)), false, sign).error(),
            "agent: signed with another algorithm");

  test::for_each_damage(framed(good), 1, [&](Bytes bent) {
    (void)ask_scripted(std::vector<uint8_t>(bent.begin(), bent.end()), true, list);
  });
}

TEST(AgentClient, is_closed_after_a_broken_answer) {
  const auto twice = [](AgentClient& agent) {
    (void)agent.list();
    return agent.list();
  };
  EXPECT_EQ(ask_scripted({0, 0, 0, 0, 0, 0, 0, 5, 12, 0, 0, 0, 0}, false, twice).error(),
            "agent: connection is closed");
  EXPECT_FALSE(AgentClient::connect("/nonexistent/agent"));
  EXPECT_FALSE(AgentClient::connect(std::string(300, 'a')));
}

}  // namespace
}  // namespace sluice
