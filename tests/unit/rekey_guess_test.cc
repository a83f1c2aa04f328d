// A rekey whose outcome the client can tell beforehand: its value goes with its KEXINIT, and the server keeps its own
// KEXINIT, which would stop its data, until the answer is ready.
#include <gtest/gtest.h>

#include "base/message_numbers.h"
#include "tests/support/machine_pair.h"

namespace sluice::test {
namespace {

// Of both sides, so that a step waits until the test lets it run.
constexpr const char* kSlowMethod = "diffie-hellman-group14-sha256";

class Guess : public testing::Test {
 protected:
  static TransportConfig slow(Role role) {
    TransportConfig config = default_transport_config(role);
    config.kex = {kSlowMethod};
    return config;
  }

  void connect(MachinePair& pair) {
    pair.connect();
    pair.client.machine.prepare_rekey();
    pair.settle();
  }

  static std::vector<uint8_t> numbers(const MachineEnd& end) {
    std::vector<uint8_t> out;
    for (const auto& payload : end.sent) out.push_back(payload[0]);
    return out;
  }
  static void carry(MachineEnd& from, MachineEnd& to, size_t count = 100) {
    for (; count > 0 && !from.sent.empty(); --count) {
      const auto payload = std::move(from.sent.front());
      from.sent.pop_front();
      to.deliver(payload);
    }
  }
};

TEST_F(Guess, A_clients_value_follows_its_kexinit_and_the_servers_three_messages_come_together) {
  MachinePair pair(slow(Role::client), slow(Role::server));
  connect(pair);
  pair.client.machine.rekey();
  EXPECT_EQ(numbers(pair.client), (std::vector<uint8_t>{kMsgKexInit, 30}));
  EXPECT_TRUE(parse_kexinit(pair.client.sent.front())->first_packet_follows);
  EXPECT_TRUE(pair.client.newkeys_expected);
  carry(pair.client, pair.server);
  // Nothing stops the server's own messages while it computes.
  pair.server.machine.send({kMsgGlobalRequest, 1});
  EXPECT_EQ(numbers(pair.server), std::vector<uint8_t>{kMsgGlobalRequest});
  while (pair.server.run_slow()) {}
  EXPECT_EQ(numbers(pair.server), (std::vector<uint8_t>{kMsgGlobalRequest, kMsgKexInit, 31, kMsgNewKeys}));
  pair.settle();
  EXPECT_EQ(pair.client.rekeyed, 1u);
  EXPECT_EQ(pair.server.rekeyed, 1u);
  EXPECT_EQ(pair.client.upper_messages, 1u);
  EXPECT_FALSE(pair.client.closed || pair.server.closed) << pair.client.closed_text << pair.server.closed_text;
}

TEST_F(Guess, It_serves_again_and_with_every_default) {
  MachinePair pair;
  connect(pair);
  for (size_t i = 1; i <= 3; ++i) {
    pair.client.machine.rekey();
    EXPECT_EQ(numbers(pair.client), (std::vector<uint8_t>{kMsgKexInit, 30}));
    pair.settle();
    EXPECT_EQ(pair.client.rekeyed, i);
    EXPECT_EQ(pair.server.rekeyed, i);
  }
}

TEST_F(Guess, A_server_whose_lists_begin_otherwise_is_not_guessed_at) {
  TransportConfig server = default_transport_config(Role::server);
  std::rotate(server.kex.begin(), server.kex.begin() + 1, server.kex.end());
  MachinePair pair(default_transport_config(Role::client), server);
  connect(pair);
  pair.client.machine.rekey();
  EXPECT_EQ(numbers(pair.client), std::vector<uint8_t>{kMsgKexInit});
  EXPECT_FALSE(parse_kexinit(pair.client.sent.front())->first_packet_follows);
  pair.settle();
  EXPECT_EQ(pair.client.rekeyed, 1u);
}

TEST_F(Guess, Nor_is_software_of_others) {
  TransportConfig server = default_transport_config(Role::server);
  server.software = "dropbear_2022.83";
  MachinePair pair(default_transport_config(Role::client), server);
  connect(pair);
  pair.client.machine.rekey();
  EXPECT_EQ(numbers(pair.client), std::vector<uint8_t>{kMsgKexInit});
}

TEST_F(Guess, Without_keys_at_hand_there_is_none) {
  MachinePair pair(slow(Role::client), slow(Role::server));
  pair.connect();
  pair.client.machine.rekey();
  EXPECT_EQ(numbers(pair.client), std::vector<uint8_t>{kMsgKexInit});
  pair.settle();
  EXPECT_EQ(pair.client.rekeyed, 1u);
}

TEST_F(Guess, Crossed_with_the_servers_kexinit_it_still_counts) {
  MachinePair pair(slow(Role::client), slow(Role::server));
  connect(pair);
  pair.client.machine.rekey();
  pair.server.machine.rekey();
  pair.settle();
  EXPECT_EQ(pair.client.rekeyed, 1u);
  EXPECT_EQ(pair.server.rekeyed, 1u);
  EXPECT_FALSE(pair.client.closed || pair.server.closed);
}

TEST_F(Guess, Proved_wrong_it_is_made_again_for_what_was_agreed) {
  MachinePair pair;
  connect(pair);
  pair.client.machine.rekey();
  ASSERT_EQ(pair.client.sent.size(), 2u);
  // The server has been given another order meanwhile.
  auto init = *parse_kexinit(pair.client.sent.front());
  init.first_packet_follows = false;
  std::rotate(init[KexList::kex].begin(), init[KexList::kex].begin() + 1, init[KexList::kex].end());
  pair.client.sent.clear();
  pair.client.deliver(write_kexinit(init, std::vector<uint8_t>(16, 3)));
  while (pair.client.run_slow()) {}
  EXPECT_EQ(numbers(pair.client), std::vector<uint8_t>{30});
  EXPECT_FALSE(pair.client.closed) << pair.client.closed_text;
}

TEST_F(Guess, One_that_was_announced_and_does_not_come_holds_nothing_up) {
  MachinePair pair(slow(Role::client), slow(Role::server));
  connect(pair);
  pair.client.machine.rekey();
  carry(pair.client, pair.server, 1);
  EXPECT_TRUE(pair.server.sent.empty());
  EXPECT_TRUE(pair.server.machine.waits_for_peer());
  pair.server.machine.guess_is_overdue();
  EXPECT_EQ(numbers(pair.server), std::vector<uint8_t>{kMsgKexInit});
  pair.server.machine.guess_is_overdue();
  EXPECT_EQ(pair.server.sent.size(), 1u) << "once";
  // From here our messages wait as in any exchange.
  pair.server.machine.send({kMsgGlobalRequest, 1});
  EXPECT_EQ(pair.server.sent.size(), 1u);
  pair.settle();
  EXPECT_EQ(pair.server.rekeyed, 1u);
  EXPECT_EQ(pair.client.upper_messages, 1u);
}

TEST_F(Guess, A_kexinit_without_one_is_answered_at_once) {
  MachinePair pair(slow(Role::client), slow(Role::server));
  pair.connect();
  pair.client.machine.rekey();
  carry(pair.client, pair.server);
  EXPECT_EQ(numbers(pair.server), std::vector<uint8_t>{kMsgKexInit});
}

TEST_F(Guess, A_wrong_one_is_answered_with_our_kexinit_and_passed_over) {
  MachinePair pair(slow(Role::client), slow(Role::server));
  connect(pair);
  pair.client.machine.rekey();
  auto init = *parse_kexinit(pair.client.sent.front());
  init[KexList::kex].insert(init[KexList::kex].begin(), "diffie-hellman-group16-sha512");
  pair.client.sent.clear();
  pair.server.deliver(write_kexinit(init, std::vector<uint8_t>(16, 3)));
  EXPECT_EQ(numbers(pair.server), std::vector<uint8_t>{kMsgKexInit});
  pair.server.deliver({30, 1, 2, 3});
  EXPECT_FALSE(pair.server.closed) << pair.server.closed_text;
  EXPECT_TRUE(pair.server.machine.waits_for_peer());
}

TEST_F(Guess, A_second_kexinit_while_ours_is_held_ends_the_connection) {
  MachinePair pair(slow(Role::client), slow(Role::server));
  connect(pair);
  pair.client.machine.rekey();
  const auto init = pair.client.sent.front();
  carry(pair.client, pair.server, 1);
  pair.server.deliver(init);
  EXPECT_TRUE(pair.server.closed.has_value());
}

}  // namespace
}  // namespace sluice::test
