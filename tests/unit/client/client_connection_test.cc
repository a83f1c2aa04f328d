// A client's connection against servers that lie, are silent, or ask for ever.
#include "control/client_connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "control/client/dial.h"
#include "control/client/known_hosts_updater.h"
#include "control/keys/host_key_proof.h"
#include "tests/unit/client/client_world.h"

namespace sluice::test {
namespace {

const MethodSet kAll{AuthMethod::publickey, AuthMethod::password, AuthMethod::keyboard_interactive};

// Refuses "none", then takes the password.
void one_password(TransportMachine& server, Bytes payload, unsigned request) {
  if (payload[0] != kMsgUserauthRequest) return;
  if (request == 1) return server.send(failure_message(kAll, false));
  const auto asked = parse_auth_request(payload);
  if (asked && asked->kind == QuestionKind::password && text_of(asked->password.view()) == "right")
    return let_in(server);
  server.send(failure_message(kAll, false));
}

TEST(ClientConnection, logs_in_and_says_so_and_ends_on_our_word) {
  ClientWorld world;
  world.script.on_message = one_password;
  world.dialog.passwords = {"wrong", "right"};
  world.start();
  ASSERT_TRUE(world.until_in()) << world.text();
  EXPECT_EQ(world.logged_in->method, AuthMethod::password);
  EXPECT_FALSE(world.logged_in->host_unsafe);
  EXPECT_EQ(world.dialog.asked.front(), "ann@host's password: ");
  world.client->close();
  ASSERT_TRUE(world.until_ended());
  EXPECT_FALSE(world.failure) << "what we ended ourselves is no failure";
}

TEST(ClientConnection, refuses_a_success_that_comes_before_anything_was_asked) {
  ClientWorld world;
  world.script.on_keyed = [](TransportMachine& server) { server.send({kMsgUserauthSuccess}); };
  world.start();
  ASSERT_TRUE(world.until_ended());
  EXPECT_EQ(world.failure->kind, FailureKind::protocol);
  EXPECT_FALSE(world.logged_in);
}

TEST(ClientConnection, refuses_a_success_while_its_user_is_asked) {
  ClientWorld world;
  world.dialog.silent = true;
  world.script.on_message = [](TransportMachine& server, Bytes, unsigned) {
    server.send(failure_message(kAll, false));
  };
  world.start();
  ASSERT_TRUE(world.until([&] { return !world.dialog.asked.empty(); }));
  world.server()->send({kMsgUserauthSuccess});
  ASSERT_TRUE(world.until_ended());
  EXPECT_EQ(world.failure->kind, FailureKind::protocol);
  EXPECT_FALSE(world.logged_in);
}

TEST(ClientConnection, ends_with_the_methods_left_when_it_has_no_more) {
  ClientWorld world;
  world.dialog.passwords = {"a", "b", "c", "d"};
  world.script.on_message = one_password;
  world.start();
  ASSERT_TRUE(world.until_ended());
  EXPECT_EQ(world.failure->kind, FailureKind::permission_denied);
  EXPECT_EQ(world.failure->methods, kAll);
  EXPECT_EQ(world.text(), "ann@host: Permission denied (publickey,password,keyboard-interactive).");
  EXPECT_EQ(world.dialog.passwords.size(), 1u) << "three tries";
}

TEST(ClientConnection, leaves_a_server_that_never_has_enough) {
  ClientWorld world;
  world.dialog.passwords.assign(100, "x");
  unsigned requests = 0;
  world.script.on_message = [&](TransportMachine& server, Bytes payload, unsigned request) {
    if (payload[0] != kMsgUserauthRequest) return;
    requests = request;
    server.send(failure_message(MethodSet{AuthMethod::password}, request > 1));
  };
  world.start();
  ASSERT_TRUE(world.until_ended());
  EXPECT_EQ(world.failure->kind, FailureKind::permission_denied);
  EXPECT_EQ(requests, 1 + kMaxPartialSteps + 1);
}

TEST(ClientConnection, leaves_a_dialogue_without_end) {
  ClientWorld world;
  world.dialog.answers.assign(1000, "x");
  world.script.on_message = [](TransportMachine& server, Bytes payload, unsigned request) {
    if (payload[0] == kMsgUserauthRequest && request == 1)
      return server.send(failure_message(MethodSet{AuthMethod::keyboard_interactive}, false));
    server.send(info_request_message({"", "", {{"more? ", true}}}));
  };
  world.start();
  ASSERT_TRUE(world.until_ended());
  EXPECT_EQ(world.failure->kind, FailureKind::permission_denied);
  EXPECT_EQ(world.dialog.asked.size(), kMaxClientRounds);
}

TEST(ClientConnection, answers_a_dialogue_without_prompts_and_shows_its_words) {
  ClientWorld world;
  world.script.on_message = [](TransportMachine& server, Bytes payload, unsigned request) {
    if (payload[0] == auth_message::kInfoResponse) return let_in(server);
    if (request == 1) return server.send(failure_message(MethodSet{AuthMethod::keyboard_interactive}, false));
    server.send(info_request_message({"Note", "Look at your phone.\x1b[2J", {}}));
  };
  world.start();
  ASSERT_TRUE(world.until_in()) << world.text();
  EXPECT_TRUE(world.dialog.asked.empty());
  EXPECT_EQ(world.dialog.shown, "Note\nLook at your phone.[2J\n");
}

TEST(ClientConnection, asks_for_a_passphrase_only_so_often_and_goes_on_with_the_next_key) {
  ClientWorld world;
  const auto sealed = PrivateKey::generate(KeyType::ed25519), open = PrivateKey::generate(KeyType::ed25519);
  const KeySealing sealing{Secret(bytes_of("phrase")), 4};
  ASSERT_TRUE(save_private_key(world.folder / "sealed", *sealed, "", &sealing));
  ASSERT_TRUE(save_private_key(world.folder / "open", *open, "", nullptr));
  world.config.keys.files = {world.folder / "sealed", world.folder / "open"};
  world.dialog.passphrases = {"a", "b", "c", "phrase"};
  world.script.on_message = [&](TransportMachine& server, Bytes payload, unsigned) {
    const auto asked = parse_auth_request(payload);
    ASSERT_TRUE(asked);
    if (asked->kind == QuestionKind::probe) return server.send(failure_message(kAll, false));
    if (asked->kind == QuestionKind::key_query) return server.send(key_ok_message(asked->algorithm, asked->key));
    ASSERT_EQ(asked->kind, QuestionKind::key_proof);
    const auto data = publickey_signed_data(server.session_id(), "ann", asked->algorithm, asked->key);
    EXPECT_TRUE(open->public_key().verify(asked->signature, asked->algorithm, data));
    let_in(server);
  };
  world.start();
  ASSERT_TRUE(world.until_in()) << world.text();
  EXPECT_EQ(world.dialog.asked.size(), 3u);
  EXPECT_EQ(world.logged_in->method, AuthMethod::publickey);
}

TEST(ClientConnection, sends_what_the_server_names_and_not_its_first_choice) {
  ClientWorld world;
  const auto key = PrivateKey::generate(KeyType::rsa, 2048);
  ASSERT_TRUE(save_private_key(world.folder / "rsa", *key, "", nullptr));
  world.config.keys.files = {world.folder / "rsa"};
  world.server_config.signature_algorithms = {"ssh-ed25519", "rsa-sha2-256"};
  std::string offered;
  world.script.on_message = [&](TransportMachine& server, Bytes payload, unsigned) {
    const auto asked = parse_auth_request(payload);
    if (asked && !asked->algorithm.empty()) offered = asked->algorithm;
    server.send(failure_message(MethodSet{AuthMethod::publickey}, false));
  };
  world.start();
  ASSERT_TRUE(world.until_ended());
  EXPECT_EQ(offered, "rsa-sha2-256");
}

TEST(ClientConnection, waits_for_what_the_server_names_where_the_first_key_to_be_offered_is_rsa) {
  ClientWorld world;
  ASSERT_TRUE(save_private_key(world.folder / "a", *PrivateKey::generate(KeyType::ed25519), "", nullptr));
  ASSERT_TRUE(save_private_key(world.folder / "b", *PrivateKey::generate(KeyType::rsa, 2048), "", nullptr));
  world.config.keys.files = {world.folder / "a", world.folder / "b"};
  world.config.signature_algorithms = {"rsa-sha2-512", "rsa-sha2-256"};
  world.server_config.signature_algorithms = {"ssh-ed25519", "rsa-sha2-256"};
  std::vector<std::string> offered;
  world.script.on_message = [&](TransportMachine& server, Bytes payload, unsigned) {
    const auto asked = parse_auth_request(payload);
    if (asked && !asked->algorithm.empty()) offered.push_back(asked->algorithm);
    server.send(failure_message(MethodSet{AuthMethod::publickey}, false));
  };
  world.start();
  ASSERT_TRUE(world.until_ended());
  EXPECT_EQ(offered, std::vector<std::string>{"rsa-sha2-256"});
}

TEST(ClientConnection, shows_no_key_and_no_keys_of_the_session_to_a_host_that_is_not_believed) {
  ClientWorld world;
  ASSERT_TRUE(save_private_key(world.folder / "a", *PrivateKey::generate(KeyType::ed25519), "", nullptr));
  world.config.keys.files = {world.folder / "a"};
  world.policy.strict = StrictHostKeys::yes;
  bool keyed = false;
  unsigned messages = 0;
  world.script.on_keyed = [&](TransportMachine&) { keyed = true; };
  world.script.on_message = [&](TransportMachine&, Bytes, unsigned) { ++messages; };
  world.start();
  ASSERT_TRUE(world.until_ended());
  world.until([&] { return keyed; }, 200);
  EXPECT_FALSE(keyed);
  EXPECT_EQ(messages, 0u);
  EXPECT_FALSE(world.logged_in);
}

// --- Time

TEST(ClientConnection, gives_a_silent_server_only_so_long_to_let_us_in) {
  ClientWorld world;
  world.config.login_timeout_ms = 150;
  world.start();
  ASSERT_TRUE(world.until_ended());
  EXPECT_EQ(world.failure->kind, FailureKind::login_timeout);
}

TEST(ClientConnection, does_not_count_the_time_that_the_user_takes) {
  ClientWorld world;
  world.config.login_timeout_ms = 1000;
  class Slow final : public ClientDialog {
   public:
    explicit Slow(ControlLoop& l) : loop(l) {}
    void show(std::string_view) override {}
    void ask_words(std::string_view, Words) override {}
    void ask_passphrase(std::string_view, unsigned, Hidden) override {}
    void ask_password(std::string_view, Hidden then) override {
      loop.after(1500, [then] {
        then(Secret(bytes_of("right")));
        // A second answer is none.
        then(Secret(bytes_of("again")));
      });
    }
    void ask_new_password(std::string_view, Hidden) override {}
    void ask_prompts(const PromptSet&, Answers then) override { then(std::nullopt); }
    ControlLoop& loop;
  };
  Slow slow(world.loop);
  world.script.on_message = one_password;
  world.start_with(slow);
  EXPECT_TRUE(world.until_in()) << world.text();
}

TEST(ClientConnection, ends_when_its_keepalives_stay_unanswered) {
  ClientWorld world;
  world.config.alive_interval_ms = 20;
  world.config.alive_count_max = 3;
  unsigned asked = 0;
  world.script.on_message = [&](TransportMachine& server, Bytes payload, unsigned) {
    if (payload[0] == kMsgUserauthRequest) return let_in(server);
    const auto request = parse_global_request(payload);
    asked += request && request->name == "keepalive@openssh.com" && request->wants_reply ? 1 : 0;
  };
  world.start();
  ASSERT_TRUE(world.until_ended());
  EXPECT_TRUE(world.logged_in);
  EXPECT_EQ(world.failure->kind, FailureKind::server_silent);
  EXPECT_EQ(world.text(), "Timeout, server host not responding.");
  EXPECT_EQ(asked, 3u);
}

TEST(ClientConnection, lives_while_the_server_answers_or_sends_anything) {
  for (const bool answers : {true, false}) {
    ClientWorld world;
    world.config.alive_interval_ms = 20;
    world.config.alive_count_max = 2;
    unsigned asked = 0;
    world.script.on_message = [&](TransportMachine& server, Bytes payload, unsigned) {
      if (payload[0] == kMsgUserauthRequest) return let_in(server);
      ++asked;
      if (answers) server.send({kMsgRequestFailure});
    };
    world.start();
    ASSERT_TRUE(world.until_in());
    const int64_t end = ControlLoop::now_ms() + 400;
    while (ControlLoop::now_ms() < end && !world.ended) {
      world.loop.step(2);
      if (!answers) world.server()->send({kMsgIgnore, 0, 0, 0, 0});
    }
    EXPECT_FALSE(world.ended) << world.text();
    EXPECT_GE(asked, answers ? 3u : 0u);
  }
}

TEST(ClientConnection, answers_the_servers_keepalives_and_refuses_what_it_does_not_know) {
  ClientWorld world;
  std::vector<uint8_t> answers;
  world.script.on_message = [&](TransportMachine& server, Bytes payload, unsigned) {
    if (payload[0] == kMsgUserauthRequest) return let_in(server);
    answers.push_back(payload[0]);
  };
  world.start();
  ASSERT_TRUE(world.until_in());
  world.server()->send(global_request("keepalive@openssh.com", true, {}));
  world.server()->send(global_request("no-reply-wanted@example.org", false, {}));
  world.server()->send(global_request("what-is-this@example.org", true, bytes_of("body")));
  // Nobody waits for these.
  world.server()->send({kMsgRequestSuccess, 1, 2, 3});
  world.server()->send({kMsgRequestFailure});
  ASSERT_TRUE(world.until([&] { return answers.size() >= 2; }));
  world.until([] { return false; }, 50);
  EXPECT_EQ(answers, (std::vector<uint8_t>{kMsgRequestFailure, kMsgRequestFailure}));
  EXPECT_FALSE(world.ended);
  world.server()->send({kMsgGlobalRequest, 0, 0});
  ASSERT_TRUE(world.until_ended());
  EXPECT_EQ(world.failure->kind, FailureKind::protocol);
}

TEST(ClientConnection, gives_each_answer_to_the_request_that_it_is_for) {
  ClientWorld world;
  std::deque<std::string> bodies{"one", "two"};
  world.script.on_message = [&](TransportMachine& server, Bytes payload, unsigned) {
    if (payload[0] == kMsgUserauthRequest) return let_in(server);
    if (bodies.empty()) return server.send({kMsgRequestFailure});
    server.send(WireWriter().u8(kMsgRequestSuccess).raw(bytes_of(bodies.front())).take());
    bodies.pop_front();
  };
  world.start();
  ASSERT_TRUE(world.until_in());
  std::vector<std::string> answers;
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(world.client->request(
        "x", {}, [&](std::optional<Bytes> answer) { answers.emplace_back(answer ? text_of(*answer) : "refused"); }));
  }
  ASSERT_TRUE(world.until([&] { return answers.size() == 3; }));
  EXPECT_EQ(answers, (std::vector<std::string>{"one", "two", "refused"}));
}

// --- How it ends

TEST(ClientConnection, names_both_offers_where_they_have_nothing_in_common) {
  ClientWorld world;
  world.client_config.ciphers = {"aes128-ctr"};
  world.server_config.ciphers = {"aes256-ctr", "aes192-ctr"};
  world.start();
  ASSERT_TRUE(world.until_ended());
  ASSERT_EQ(world.failure->kind, FailureKind::no_common_algorithm);
  ASSERT_TRUE(world.failure->offers);
  EXPECT_EQ(world.failure->offers->list, "cipher (client to server)");
  EXPECT_EQ(world.failure->offers->client, (NameList{"aes128-ctr"}));
  EXPECT_EQ(world.failure->offers->server, (NameList{"aes256-ctr", "aes192-ctr"}));
}

TEST(ClientConnection, tells_a_close_from_a_disconnect_and_from_no_ssh) {
  {
    ClientWorld world;
    ::close(world.start_against_descriptor());
    ASSERT_TRUE(world.until_ended());
    EXPECT_EQ(world.failure->kind, FailureKind::turned_away);
  }
  {
    ClientWorld world;
    world.script.on_keyed = [](TransportMachine& server) {
      server.close(Disconnect::too_many_connections, "full\nup");
    };
    world.start();
    ASSERT_TRUE(world.until_ended());
    EXPECT_EQ(world.failure->kind, FailureKind::disconnected);
    EXPECT_EQ(world.failure->reason, static_cast<uint32_t>(Disconnect::too_many_connections));
    EXPECT_EQ(world.text(), "Received disconnect from host: full up");
  }
  {
    ClientWorld world;
    const int descriptor = world.start_against_descriptor();
    EXPECT_EQ(::write(descriptor, "SSH-1.5-old\r\n", 13), 13);
    ASSERT_TRUE(world.until_ended());
    EXPECT_EQ(world.failure->kind, FailureKind::version);
    ::close(descriptor);
  }
}

TEST(ClientConnection, says_that_nobody_listens) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size), 0);
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  const uint16_t port = ntohs(address.sin_port);
  const auto refused = dial({.host = "127.0.0.1", .port = port});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, FailureKind::connection_refused);
  ASSERT_EQ(::listen(descriptor, 1), 0);
  const auto dialed = dial({.host = "127.0.0.1", .port = port, .bind_address = "127.0.0.2"});
  ASSERT_TRUE(dialed) << dialed.error().text;
  ::close(dialed->descriptor);
  EXPECT_EQ(dial({.host = "127.0.0.1", .port = port, .bind_address = "192.0.2.1"}).error().kind,
            FailureKind::connect_failed);
  EXPECT_EQ(dial({.host = "no such host", .port = port}).error().kind, FailureKind::host_not_found);
  ::close(descriptor);
}

}  // namespace
}  // namespace sluice::test
