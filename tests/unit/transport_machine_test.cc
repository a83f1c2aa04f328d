// The transport machine with a peer that keeps the rules.
#include <gtest/gtest.h>

#include "base/message_numbers.h"
#include "base/wire.h"
#include "control/kex/kex_method.h"
#include "tests/support/machine_pair.h"

namespace sluice::test {
namespace {

bool same(const DirectionKeys& a, const DirectionKeys& b) {
  const auto equal = [](const Secret& x, const Secret& y) {
    return x.size() == y.size() && std::equal(x.data(), x.data() + x.size(), y.data());
  };
  return a.suite == b.suite && equal(a.cipher_key, b.cipher_key) && equal(a.iv, b.iv) && equal(a.mac_key, b.mac_key);
}

TEST(TransportMachine, Both_ends_derive_the_same_keys_with_every_method_and_host_key) {
  for (const KexMethod& method : kex_methods()) {
    for (const std::string& host_key : test_host_keys().algorithms()) {
      // The slow groups with one host key are enough.
      if (method.size_bits >= 4096 && host_key != "ssh-ed25519") continue;
      TransportConfig client = default_transport_config(Role::client);
      TransportConfig server = default_transport_config(Role::server);
      client.kex = server.kex = {std::string(method.name)};
      client.host_keys = {host_key};
      MachinePair pair(client, server);
      pair.settle();
      ASSERT_TRUE(pair.client.keyed && pair.server.keyed)
          << method.name << " " << pair.client.closed_text << pair.server.closed_text;
      EXPECT_TRUE(same(pair.client.send_keys, pair.server.receive_keys)) << method.name;
      EXPECT_TRUE(same(pair.client.receive_keys, pair.server.send_keys)) << method.name;
      EXPECT_TRUE(std::equal(pair.client.machine.session_id().begin(), pair.client.machine.session_id().end(),
                             pair.server.machine.session_id().begin()));
      EXPECT_EQ(pair.client.machine.negotiated().host_key_algorithm, host_key);
    }
  }
}

TEST(TransportMachine, A_rekey_by_either_side_keeps_the_session_id_and_changes_the_keys) {
  MachinePair pair;
  pair.connect();
  const std::vector<uint8_t> session(pair.client.machine.session_id().begin(), pair.client.machine.session_id().end());
  for (const Role role : {Role::client, Role::server, Role::client}) {
    const Secret before(pair.client.send_keys.cipher_key.view());
    pair.end(role).machine.rekey();
    pair.settle();
    EXPECT_FALSE(pair.client.machine.in_kex() || pair.server.machine.in_kex());
    EXPECT_TRUE(same(pair.client.send_keys, pair.server.receive_keys));
    EXPECT_FALSE(std::equal(before.data(), before.data() + before.size(), pair.client.send_keys.cipher_key.data()));
    EXPECT_TRUE(std::equal(session.begin(), session.end(), pair.server.machine.session_id().begin()));
  }
  EXPECT_EQ(pair.client.rekeyed, 3u);
  EXPECT_EQ(pair.server.rekeyed, 3u);
}

TEST(TransportMachine, Crossed_kexinits_are_one_rekey) {
  MachinePair pair;
  pair.connect();
  pair.client.machine.rekey();
  pair.server.machine.rekey();
  pair.settle();
  EXPECT_EQ(pair.client.rekeyed, 1u);
  EXPECT_EQ(pair.server.rekeyed, 1u);
  EXPECT_FALSE(pair.client.closed || pair.server.closed);
}

TEST(TransportMachine, A_peer_that_rekeys_while_its_login_ends_has_its_success_behind_the_new_keys) {
  MachinePair pair;
  pair.settle();
  pair.client.machine.request_service("ssh-userauth");
  pair.settle();
  // The client's machine waits for its login's end otherwise.
  pair.client.machine.set_authenticated();
  pair.client.machine.rekey();
  pair.server.deliver(pair.client.sent.front());
  pair.client.sent.pop_front();
  pair.server.machine.rekey();
  pair.server.machine.set_authenticated();
  pair.server.machine.send({kMsgUserauthSuccess});
  EXPECT_EQ(pair.server.sent.size(), 1u) << "only KEXINIT is out";
  std::vector<uint8_t> said;
  for (int i = 0; i < 8; ++i) {
    for (; !pair.server.sent.empty(); pair.server.sent.pop_front()) {
      said.push_back(pair.server.sent.front()[0]);
      if (said.back() != kMsgUserauthSuccess) pair.client.deliver(pair.server.sent.front());
    }
    for (; !pair.client.sent.empty(); pair.client.sent.pop_front()) pair.server.deliver(pair.client.sent.front());
    pair.client.run_slow();
    pair.server.run_slow();
  }
  EXPECT_FALSE(pair.client.closed || pair.server.closed) << pair.client.closed_text << pair.server.closed_text;
  ASSERT_GE(said.size(), 4u);
  EXPECT_EQ(said.front(), kMsgKexInit);
  EXPECT_EQ(said[said.size() - 2], kMsgNewKeys);
  EXPECT_EQ(said.back(), kMsgUserauthSuccess);
  EXPECT_FALSE(pair.server.machine.in_kex() || pair.client.machine.in_kex());
  EXPECT_EQ(pair.server.rekeyed, 1u);
}

TEST(TransportMachine, Keys_prepared_ahead_serve_the_next_exchange) {
  MachinePair pair;
  pair.connect();
  pair.client.machine.prepare_rekey();
  pair.server.machine.prepare_rekey();
  pair.settle();
  pair.server.machine.rekey();
  pair.settle();
  EXPECT_EQ(pair.client.rekeyed, 1u);
  EXPECT_TRUE(same(pair.client.send_keys, pair.server.receive_keys));
}

// Each quick exchange ends with the next one's keys being made ahead: a busy pool must not fill with those.
TEST(TransportMachine, A_peer_that_rekeys_without_end_has_one_preparation_waiting) {
  MachinePair pair;
  pair.connect();
  pair.server.pool_stands_still = true;
  for (int i = 0; i < 10; ++i) {
    pair.client.machine.rekey();
    pair.settle();
  }
  EXPECT_EQ(pair.server.rekeyed, 10u);
  EXPECT_EQ(pair.server.slow_waiting(), 1u);
  pair.server.pool_stands_still = false;
  pair.client.machine.rekey();
  pair.settle();
  EXPECT_EQ(pair.server.rekeyed, 11u);
  EXPECT_TRUE(same(pair.client.send_keys, pair.server.receive_keys));
}

TEST(TransportMachine, Messages_of_the_layer_above_wait_for_newkeys_and_keep_their_order) {
  MachinePair pair;
  pair.connect();
  pair.server.machine.rekey();
  for (uint8_t i = 0; i < 5; ++i) pair.server.machine.send({kMsgGlobalRequest, i});
  EXPECT_EQ(pair.server.sent.size(), 1u) << "only KEXINIT is out";
  pair.settle();
  EXPECT_EQ(pair.client.upper_messages, 5u);
  EXPECT_FALSE(pair.client.closed) << pair.client.closed_text;
}

TEST(TransportMachine, More_than_may_wait_ends_the_connection) {
  MachinePair pair;
  pair.connect();
  pair.server.machine.rekey();
  for (size_t i = 0; i <= kMaxWaitingMessages; ++i) pair.server.machine.send({kMsgGlobalRequest});
  EXPECT_TRUE(pair.server.closed.has_value());
}

// The answer to a ping is as long as the ping, and waits while our KEXINIT is out: that is the peer's to prolong.
TEST(TransportMachine, Pings_that_wait_for_newkeys_hold_a_bounded_number_of_bytes) {
  MachinePair pair;
  pair.connect();
  pair.server.machine.rekey();
  std::vector<uint8_t> ping(60000, 'x');
  ping[0] = kMsgPing;
  size_t taken = 0;
  for (; taken < kMaxWaitingMessages && !pair.server.closed; ++taken) pair.server.deliver(ping);
  EXPECT_TRUE(pair.server.closed.has_value());
  EXPECT_LE(taken * ping.size(), kMaxWaitingBytes + ping.size());
}

TEST(TransportMachine, Pings_during_many_rekeys_are_all_answered) {
  MachinePair pair;
  pair.connect();
  std::vector<uint8_t> ping(60000, 'x');
  ping[0] = kMsgPing;
  for (int i = 0; i < 20; ++i) {
    pair.server.machine.rekey();
    for (int j = 0; j < 10; ++j) pair.server.deliver(ping);
    pair.settle();
  }
  EXPECT_FALSE(pair.server.closed) << pair.server.closed_text;
  EXPECT_EQ(pair.server.rekeyed, 20u);
}

TEST(TransportMachine, A_stranger_s_long_lists_are_no_long_line_of_the_log) {
  MachinePair pair;
  KexInit init;
  for (NameList& list : init.lists) list = {"none"};
  init[KexList::kex].assign(kMaxNames, std::string(kMaxNameLength, 'x'));
  pair.exchange_lines();
  const std::array<uint8_t, 16> cookie{};
  pair.server.deliver(write_kexinit(init, cookie));
  ASSERT_TRUE(pair.server.machine.closing());
  EXPECT_NE(pair.server.machine.closing()->text.find("no common key exchange method"), std::string::npos);
  EXPECT_LE(pair.server.machine.closing()->text.size(), 2048u);
}

TEST(TransportMachine, Ext_info_tells_signature_algorithms_and_ping_and_pings_are_answered) {
  MachinePair pair;
  pair.connect();
  EXPECT_EQ(pair.client.ext_infos, (std::vector<std::string>{"server-sig-algs", "ping@openssh.com"}));
  pair.server.deliver(WireWriter().u8(kMsgPing).string("data").take());
  EXPECT_EQ(pair.server.sent.back(), WireWriter().u8(kMsgPong).string("data").take());
}

TEST(TransportMachine, The_client_s_first_name_that_the_server_has_is_chosen) {
  TransportConfig client = default_transport_config(Role::client);
  client.kex = {"ecdh-sha2-nistp384", "curve25519-sha256"};
  client.ciphers = {"aes256-ctr", "aes128-gcm@openssh.com"};
  client.macs = {"hmac-sha2-512", "hmac-sha2-256-etm@openssh.com"};
  MachinePair pair(client);
  pair.settle();
  EXPECT_EQ(pair.server.machine.negotiated().method->name, "ecdh-sha2-nistp384");
  EXPECT_EQ(pair.server.machine.negotiated().client_to_server->name(), "aes256-ctr+hmac-sha2-512");
}

}  // namespace
}  // namespace sluice::test
