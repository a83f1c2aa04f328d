// Transport peers that lie, one lie a test, in either role.
#include <gtest/gtest.h>

#include <set>

#include "base/message_numbers.h"
#include "base/wire.h"
#include "tests/support/machine_pair.h"

namespace sluice::test {
namespace {

enum class Stage { first_init, first_kex, keyed, authenticating, connected, rekeying };

TransportConfig without_strict(Role role) {
  TransportConfig config = default_transport_config(role);
  config.kex = {"curve25519-sha256"};
  return config;
}

// A pair brought to a stage; the victim is what the lie is told to.
std::unique_ptr<MachinePair> pair_at(Stage stage) {
  auto pair = std::make_unique<MachinePair>(without_strict(Role::client), without_strict(Role::server));
  pair->exchange_lines();
  if (stage == Stage::first_init) return pair;
  if (stage == Stage::first_kex) {
    // Both KEXINITs have passed; the client's value has not.
    auto up = pair->client.sent.front(), down = pair->server.sent.front();
    pair->client.sent.pop_front(), pair->server.sent.pop_front();
    pair->server.deliver(up), pair->client.deliver(down);
    return pair;
  }
  pair->settle();
  if (stage == Stage::keyed) return pair;
  pair->client.machine.request_service("ssh-userauth");
  pair->settle();
  if (stage == Stage::authenticating) return pair;
  pair->client.machine.set_authenticated(), pair->server.machine.set_authenticated();
  if (stage == Stage::rekeying) {
    pair->client.machine.rekey();
    auto up = pair->client.sent.front();
    pair->client.sent.pop_front();
    pair->server.deliver(up);
    auto down = pair->server.sent.front();
    pair->server.sent.pop_front();
    pair->client.deliver(down);
  }
  return pair;
}

std::vector<uint8_t> sample(uint8_t number) {
  switch (number) {
    case kMsgDisconnect: return WireWriter().u8(number).u32(11).string("bye").string("").take();
    case kMsgServiceRequest:
    case kMsgServiceAccept: return WireWriter().u8(number).string("ssh-userauth").take();
    case kMsgExtInfo: return WireWriter().u8(number).u32(0).take();
    default: return WireWriter().u8(number).string("x").take();
  }
}

// What a victim in `role` must take at a stage; everything else is unknown (answered) or unexpected (fatal).
std::set<int> allowed(Stage stage, Role role) {
  const bool server = role == Role::server;
  std::set<int> out{2, 3, 4};
  const auto add = [&out](int first, int last) {
    for (int n = first; n <= last; ++n) out.insert(n);
  };
  if (stage == Stage::keyed) out.insert({server ? 5 : 6, 192, 193});  // the peer's one EXT_INFO has come
  if (stage == Stage::authenticating) add(50, 79), out.insert({192, 193});
  if (stage == Stage::authenticating && !server) out.insert(7);
  if (stage == Stage::connected) add(80, 82), add(90, 100), out.insert({192, 193});
  if (stage == Stage::connected && server) out.insert(50);
  return out;
}

const std::set<int> kKnown{1,  2,  3,  4,  5,  6,  7,  8,  20, 21, 30, 31, 32, 33, 34, 50,  51,  52, 53,
                           60, 61, 80, 81, 82, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 192, 193};

TEST(MessageNumbers, Every_number_in_every_phase_is_taken_answered_or_fatal) {
  for (const Stage stage :
       {Stage::first_init, Stage::keyed, Stage::authenticating, Stage::connected, Stage::rekeying}) {
    for (const Role role : {Role::client, Role::server}) {
      for (int number = 0; number < 256; ++number) {
        // KEXINIT and method messages have tests of their own; a DISCONNECT ends the connection by itself.
        if (number == kMsgKexInit || number == kMsgDisconnect || is_kex_method_message(static_cast<uint8_t>(number)))
          continue;
        auto pair = pair_at(stage);
        MachineEnd& victim = pair->end(role);
        victim.sent.clear();
        victim.deliver(sample(static_cast<uint8_t>(number)));
        const auto where = testing::Message()
                           << "stage " << static_cast<int>(stage) << " role " << static_cast<int>(role) << " number "
                           << number << " " << victim.closed_text;
        const bool answered = !victim.sent.empty() && victim.sent.front()[0] == kMsgUnimplemented;
        if (allowed(stage, role).contains(number)) {
          // A client takes no service that it did not ask for, and answers of userauth that nobody knows are answered.
          if (number == 6 && role == Role::client) continue;
          EXPECT_FALSE(victim.closed) << where;
        } else if (kKnown.contains(number)) {
          ASSERT_TRUE(victim.closed.has_value()) << where;
          EXPECT_EQ(*victim.closed, Disconnect::protocol_error) << where;
        } else {
          EXPECT_FALSE(victim.closed) << where;
          EXPECT_TRUE(answered) << where;
        }
      }
    }
  }
}

TEST(MessageNumbers, In_the_first_strict_exchange_everything_but_the_exchange_is_fatal) {
  for (int number = 0; number < 256; ++number) {
    if (is_kex_method_message(static_cast<uint8_t>(number)) || number == kMsgDisconnect) continue;
    for (const Role role : {Role::client, Role::server}) {
      auto pair = pair_at(Stage::first_kex);
      ASSERT_TRUE(pair->end(role).machine.strict());
      pair->end(role).deliver(sample(static_cast<uint8_t>(number)));
      ASSERT_TRUE(pair->end(role).closed.has_value()) << number;
      EXPECT_EQ(*pair->end(role).closed, Disconnect::protocol_error) << number;
    }
  }
}

TEST(Terrapin, A_packet_slipped_in_before_kexinit_ends_a_strict_exchange) {
  MachinePair pair;
  pair.exchange_lines();
  pair.server.deliver({kMsgIgnore, 0, 0, 0, 0});
  pair.settle();
  ASSERT_TRUE(pair.server.closed.has_value());
  EXPECT_FALSE(pair.server.keyed);
}

TEST(Terrapin, A_packet_slipped_into_the_exchange_ends_it) {
  for (const Role role : {Role::client, Role::server}) {
    auto pair = pair_at(Stage::first_kex);
    pair->end(role).deliver({kMsgIgnore, 0, 0, 0, 0});
    pair->settle();
    EXPECT_TRUE(pair->end(role).closed.has_value());
    EXPECT_FALSE(pair->end(role).keyed);
  }
}

TEST(ExtInfo, Is_refused_when_it_does_not_directly_follow_newkeys) {
  auto pair = pair_at(Stage::keyed);
  pair->server.deliver(sample(kMsgExtInfo));
  // The client's own came first, so this one is the second.
  EXPECT_TRUE(pair->server.closed.has_value() || pair->server.ext_infos.empty());
  auto later = pair_at(Stage::authenticating);
  later->server.deliver(sample(kMsgExtInfo));
  EXPECT_TRUE(later->server.closed.has_value());
}

TEST(ExtInfo, A_count_beyond_reason_is_malformed) {
  auto pair = pair_at(Stage::authenticating);
  pair->client.deliver(WireWriter().u8(kMsgExtInfo).u32(0xffffffff).take());
  EXPECT_TRUE(pair->client.closed.has_value());
}

TEST(Client, Refuses_a_success_that_comes_before_anything_was_asked) {
  auto pair = pair_at(Stage::keyed);
  pair->client.deliver({kMsgUserauthSuccess});
  ASSERT_TRUE(pair->client.closed.has_value());
  EXPECT_EQ(pair->client.upper_messages, 0u);
}

TEST(Server, Refuses_channels_before_authentication) {
  for (const Stage stage : {Stage::keyed, Stage::authenticating}) {
    auto pair = pair_at(stage);
    pair->server.deliver(WireWriter().u8(kMsgChannelOpen).string("session").u32(0).u32(1).u32(1).take());
    ASSERT_TRUE(pair->server.closed.has_value());
    EXPECT_EQ(pair->server.upper_messages, 0u);
  }
}

TEST(Ping, One_that_could_not_be_echoed_in_a_record_of_ours_ends_the_connection) {
  for (const Role role : {Role::client, Role::server}) {
    auto pair = pair_at(Stage::keyed);
    pair->end(role).deliver(WireWriter().u8(kMsgPing).string(std::vector<uint8_t>(70000)).take());
    EXPECT_EQ(pair->end(role).closed, Disconnect::protocol_error);
  }
}

TEST(Server, A_service_name_as_long_as_a_record_is_malformed) {
  auto pair = pair_at(Stage::keyed);
  pair->server.deliver(WireWriter().u8(kMsgServiceRequest).string(std::string(70000, 'x')).take());
  ASSERT_TRUE(pair->server.closed.has_value());
  EXPECT_LT(pair->server.closed_text.size(), 2000u);
}

TEST(Rekeying, A_peer_that_has_not_turned_yet_may_send_only_the_exchange) {
  auto pair = pair_at(Stage::rekeying);
  // Everything up to our own NEWKEYS; the client's is held back.
  while (pair->client.run_slow()) {}
  pair->server.deliver(pair->client.sent.front());
  while (pair->server.run_slow()) {}
  ASSERT_FALSE(pair->server.closed) << pair->server.closed_text;
  pair->server.deliver(WireWriter().u8(kMsgGlobalRequest).string("x").boolean(false).take());
  EXPECT_EQ(pair->server.closed, Disconnect::protocol_error);
}

TEST(Server, Gives_no_service_but_userauth) {
  auto pair = pair_at(Stage::keyed);
  pair->server.deliver(WireWriter().u8(kMsgServiceRequest).string("ssh-connection").take());
  EXPECT_EQ(pair->server.closed, Disconnect::service_not_available);
}

TEST(Exchange, A_message_of_the_wrong_direction_ends_the_connection) {
  auto pair = pair_at(Stage::first_kex);
  pair->server.deliver(WireWriter().u8(31).string("k").string("q").string("s").take());
  pair->settle();
  EXPECT_TRUE(pair->server.closed.has_value());
}

TEST(Exchange, A_second_value_while_the_first_is_worked_on_ends_the_connection) {
  auto pair = pair_at(Stage::first_kex);
  while (pair->client.run_slow()) {}
  auto value = pair->client.sent.front();
  pair->server.deliver(value);
  pair->server.deliver(value);
  EXPECT_TRUE(pair->server.closed.has_value());
  while (pair->server.run_slow()) {}
  EXPECT_FALSE(pair->server.keyed);
}

TEST(Exchange, Newkeys_before_the_exchange_is_done_ends_the_connection) {
  auto pair = pair_at(Stage::first_kex);
  pair->server.deliver({kMsgNewKeys});
  EXPECT_TRUE(pair->server.closed.has_value());
}

TEST(Exchange, Kexinit_in_the_middle_of_an_exchange_ends_the_connection) {
  for (const Stage stage : {Stage::first_kex, Stage::rekeying}) {
    auto pair = pair_at(stage);
    const auto init = write_kexinit(KexInit{}, std::vector<uint8_t>(16));
    pair->server.deliver(init);
    EXPECT_TRUE(pair->server.closed.has_value());
  }
}

TEST(Exchange, Without_a_common_name_the_text_says_which_list_and_what_both_offer) {
  TransportConfig client = default_transport_config(Role::client);
  client.ciphers = {"aes128-cbc"};
  MachinePair pair(client);
  pair.settle();
  EXPECT_EQ(pair.server.closed, Disconnect::key_exchange_failed);
  EXPECT_NE(pair.server.closed_text.find("aes128-cbc"), std::string::npos);
  EXPECT_NE(pair.server.closed_text.find("cipher (client to server)"), std::string::npos);
}

TEST(Exchange, A_wrong_guess_is_ignored_and_the_exchange_goes_on) {
  MachinePair pair(without_strict(Role::client), default_transport_config(Role::server));
  pair.exchange_lines();
  // The client's KEXINIT again, with first_kex_packet_follows and a first method that is not the server's first.
  auto init = *parse_kexinit(pair.client.sent.front());
  init.first_packet_follows = true;
  std::vector<uint8_t> cookie(16, 7);
  pair.server.deliver(write_kexinit(init, cookie));
  pair.server.deliver(WireWriter().u8(30).string("a guess for another method").take());
  EXPECT_FALSE(pair.server.closed) << pair.server.closed_text;
  const std::vector<uint8_t> value(32, 9);
  pair.server.deliver(WireWriter().u8(30).string(value).take());
  while (pair.server.run_slow()) {}
  EXPECT_FALSE(pair.server.closed) << pair.server.closed_text;
  const std::vector<uint8_t> newkeys{kMsgNewKeys};
  EXPECT_EQ(std::count(pair.server.sent.begin(), pair.server.sent.end(), newkeys), 1) << "it answered the second value";
}

TEST(Exchange, A_degenerate_value_is_refused) {
  auto pair = pair_at(Stage::first_kex);
  pair->server.deliver(WireWriter().u8(30).string(std::vector<uint8_t>(32)).take());
  while (pair->server.run_slow()) {}
  EXPECT_EQ(pair->server.closed, Disconnect::key_exchange_failed);
}

TEST(Client, Refuses_a_signature_by_another_key_and_a_key_that_it_does_not_accept) {
  // Shows one key and signs with another.
  class Liar final : public HostKeySigner {
   public:
    NameList algorithms() const override { return {"ssh-ed25519"}; }
    std::vector<uint8_t> public_blob(std::string_view) const override {
      const Bytes blob = shown_.public_key().blob();
      return {blob.begin(), blob.end()};
    }
    void sign(std::string_view, std::string_view algorithm, Bytes hash, Signed then) override {
      then(*other_.sign(algorithm, hash));
    }

   private:
    PrivateKey shown_ = std::move(*PrivateKey::generate(KeyType::ed25519));
    PrivateKey other_ = std::move(*PrivateKey::generate(KeyType::ed25519));
  };
  Liar liar;
  MachinePair lying(default_transport_config(Role::client), default_transport_config(Role::server), &liar);
  lying.settle();
  EXPECT_EQ(lying.client.closed, Disconnect::host_key_not_verifiable);
  EXPECT_FALSE(lying.client.keyed);
  MachinePair unknown;
  unknown.client.accept_host_key = false;
  unknown.settle();
  EXPECT_EQ(unknown.client.closed, Disconnect::host_key_not_verifiable);
}

TEST(KexInitParsing, Hostile_lists_are_malformed) {
  const auto with_list = [](std::string_view names) {
    WireWriter writer;
    writer.u8(kMsgKexInit);
    writer.raw(std::vector<uint8_t>(16));
    for (int i = 0; i < 10; ++i) writer.string(i == 0 ? names : std::string_view());
    return writer.boolean(false).u32(0).take();
  };
  EXPECT_TRUE(parse_kexinit(with_list("a,b")).has_value());
  EXPECT_EQ((*parse_kexinit(with_list("a,,b,")))[KexList::kex], (NameList{"a", "b"})) << "as libssh writes it";
  std::string many;
  for (int i = 0; i < 1000; ++i) many.append("a,");
  for (const std::string& bad :
       {std::string("a b"), std::string("a\n"), std::string("a\x80"), std::string(65, 'x'), many.append("z")}) {
    EXPECT_FALSE(parse_kexinit(with_list(bad)).has_value()) << bad.substr(0, 20);
  }
  auto trailing = with_list("a");
  trailing.push_back(0);
  EXPECT_FALSE(parse_kexinit(trailing).has_value());
  auto huge = with_list("a");
  store_be32(huge.data() + 17, 0xffffffffu);
  EXPECT_FALSE(parse_kexinit(huge).has_value());
}

TEST(IdentificationReader, Old_and_foreign_peers_get_a_clear_refusal) {
  for (const std::string line : {"SSH-1.5-old", "GET / HTTP/1.1", "SSH-2.0", "SSH-3.0-x", "SSH-2.0-a\x01"}) {
    MachinePair pair;
    pair.server.deliver_line(line);
    EXPECT_EQ(pair.server.closed, Disconnect::version_not_supported) << line;
    EXPECT_FALSE(pair.server.lines.back().empty());
  }
  MachinePair pair;
  pair.server.deliver_line("SSH-1.99-Cisco-1.25");
  EXPECT_FALSE(pair.server.closed);
  EXPECT_EQ(pair.server.machine.peer().software, "Cisco-1.25");
}

TEST(IdentificationReader, A_client_reads_past_a_servers_lines_but_not_for_ever) {
  MachinePair pair;
  for (int i = 0; i < 10; ++i) pair.client.deliver_line("welcome");
  EXPECT_FALSE(pair.client.closed);
  for (int i = 0; i < 100; ++i) pair.client.deliver_line("welcome");
  EXPECT_TRUE(pair.client.closed.has_value());
}

}  // namespace
}  // namespace sluice::test
