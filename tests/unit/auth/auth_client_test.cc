// The client's state machine against answers of a server that may lie.
#include "control/auth/auth_client.h"

#include "tests/unit/auth/auth_world.h"

namespace sluice {
namespace {

const MethodSet kAll{AuthMethod::publickey, AuthMethod::password, AuthMethod::keyboard_interactive};

AuthClientConfig config_with(std::vector<KeyType> keys, std::vector<AuthMethod> order = {}) {
  AuthClientConfig config;
  config.user = "ann";
  config.session_id = test::some_hash(32);
  if (!order.empty()) config.order = std::move(order);
  for (const KeyType type : keys) config.identities.push_back({test::key_of(type).public_key(), "key"});
  return config;
}

template <class T>
const T* find_action(const ClientActions& actions) {
  for (const auto& action : actions)
    if (const T* found = std::get_if<T>(&action)) return found;
  return nullptr;
}

std::vector<uint8_t> info_request(size_t prompts) {
  PromptSet set;
  for (size_t i = 0; i < prompts; ++i) set.prompts.push_back({"?", false});
  return info_request_message(set);
}

AuthClient client_in(ClientPhase phase) {
  const bool key = phase == ClientPhase::querying || phase == ClientPhase::signing || phase == ClientPhase::proving;
  const bool dialogue = phase == ClientPhase::interactive_sent || phase == ClientPhase::prompts_asked;
  AuthClient client(config_with({KeyType::ed25519}, {key        ? AuthMethod::publickey
                                                     : dialogue ? AuthMethod::keyboard_interactive
                                                                : AuthMethod::password}));
  const auto go = [&](ClientPhase at, auto step) {
    if (client.phase() != phase && client.phase() == at) step();
  };
  const PublicKey& public_key = test::key_of(KeyType::ed25519).public_key();
  go(ClientPhase::before, [&] { client.start(); });
  if (phase == ClientPhase::done) {
    EXPECT_TRUE(client.take(std::vector<uint8_t>{52}));
  }
  go(ClientPhase::probing, [&] { EXPECT_TRUE(client.take(failure_message(kAll, false))); });
  go(ClientPhase::querying, [&] { EXPECT_TRUE(client.take(key_ok_message("ssh-ed25519", public_key.blob()))); });
  go(ClientPhase::signing, [&] { EXPECT_TRUE(client.take_signature(std::vector<uint8_t>(8))); });
  go(ClientPhase::password_asked, [&] { EXPECT_TRUE(client.take_password(test::secret("x"))); });
  go(ClientPhase::password_sent, [&] { EXPECT_TRUE(client.take(change_request_message("change"))); });
  go(ClientPhase::new_asked, [&] { EXPECT_TRUE(client.take_new_password(test::secret("y"))); });
  go(ClientPhase::interactive_sent, [&] { EXPECT_TRUE(client.take(info_request(1))); });
  EXPECT_EQ(client.phase(), phase);
  return client;
}

TEST(AuthClient, meets_every_message_number_in_every_phase_as_its_table_says) {
  for (unsigned p = 0; p < static_cast<unsigned>(ClientPhase::count_); ++p) {
    const auto phase = static_cast<ClientPhase>(p);
    for (unsigned number = 0; number < 256; ++number) {
      AuthClient client = client_in(phase);
      const auto reaction = client_reaction(phase, static_cast<uint8_t>(number));
      const auto actions = client.take(std::vector<uint8_t>{static_cast<uint8_t>(number)});
      const bool unknown = (number >= 54 && number <= 59) || (number >= 62 && number <= 79);
      if (unknown && phase != ClientPhase::done) {
        EXPECT_EQ(reaction, AuthReaction::unimplemented);
        ASSERT_TRUE(actions);
        EXPECT_TRUE(find_action<SendUnimplemented>(*actions));
      } else if (reaction == AuthReaction::refuse) {
        ASSERT_FALSE(actions);
        EXPECT_EQ(actions.error(), ErrorCode::unexpected_message) << number << " in phase " << p;
      } else if (reaction == AuthReaction::take && number != 52) {
        // One byte is no whole failure, banner or method reply.
        ASSERT_FALSE(actions);
        EXPECT_EQ(actions.error(), ErrorCode::malformed_message);
      }
    }
  }
}

TEST(AuthClient, refuses_success_before_a_request_and_while_it_asks_its_user) {
  for (const ClientPhase phase : {ClientPhase::before, ClientPhase::signing, ClientPhase::password_asked,
                                  ClientPhase::new_asked, ClientPhase::prompts_asked, ClientPhase::done})
    EXPECT_FALSE(client_in(phase).take(std::vector<uint8_t>{52}));
  EXPECT_TRUE(client_in(ClientPhase::probing).take(std::vector<uint8_t>{52}));
  EXPECT_FALSE(client_in(ClientPhase::probing).take(std::vector<uint8_t>{52, 0}));
}

TEST(AuthClient, queries_each_key_then_signs_over_its_own_session) {
  AuthClient client(config_with({KeyType::ecdsa_nistp256, KeyType::ed25519}));
  client.start();
  auto actions = client.take(failure_message(kAll, false));
  ASSERT_TRUE(actions && find_action<SendSecret>(*actions));
  actions = client.take(failure_message(kAll, false));
  const PublicKey& key = test::key_of(KeyType::ed25519).public_key();
  actions = client.take(key_ok_message("ssh-ed25519", key.blob()));
  ASSERT_TRUE(actions);
  const auto* sign = find_action<SignWith>(*actions);
  ASSERT_TRUE(sign);
  EXPECT_EQ(sign->identity, 1u);
  EXPECT_EQ(sign->data, publickey_signed_data(test::some_hash(32), "ann", "ssh-ed25519", key.blob()));
  actions = client.take_signature(std::vector<uint8_t>{1, 2, 3});
  const auto request = parse_auth_request(find_action<SendSecret>(*actions)->message.view());
  ASSERT_TRUE(request);
  EXPECT_EQ(request->kind, QuestionKind::key_proof);
  EXPECT_EQ(request->signature, (std::vector<uint8_t>{1, 2, 3}));
}

TEST(AuthClient, does_not_sign_for_a_key_or_algorithm_that_it_did_not_offer) {
  const PublicKey& ours = test::key_of(KeyType::ed25519).public_key();
  EXPECT_FALSE(client_in(ClientPhase::querying).take(key_ok_message("rsa-sha2-256", ours.blob())));
  EXPECT_FALSE(
      client_in(ClientPhase::querying).take(key_ok_message("ssh-ed25519", test::other_key().public_key().blob())));
}

TEST(AuthClient, chooses_the_rsa_algorithm_by_what_the_server_names) {
  const auto offered = [](std::optional<std::vector<std::string>> named, bool sha1) -> std::string {
    AuthClientConfig config = config_with({KeyType::rsa}, {AuthMethod::publickey});
    config.server_sig_algs = std::move(named);
    config.allow_ssh_rsa = sha1;
    AuthClient client(std::move(config));
    client.start();
    const auto actions = client.take(failure_message(kAll, false));
    if (!actions) return "none";
    return parse_auth_request(find_action<SendSecret>(*actions)->message.view())->algorithm;
  };
  EXPECT_EQ(offered(std::nullopt, false), "rsa-sha2-512");
  EXPECT_EQ(offered({{"ssh-ed25519", "rsa-sha2-256"}}, false), "rsa-sha2-256");
  EXPECT_EQ(offered({{"rsa-sha2-256", "rsa-sha2-512"}}, true), "rsa-sha2-512");
  EXPECT_EQ(offered({{"ssh-rsa"}}, false), "none");
  EXPECT_EQ(offered({{"ssh-rsa"}}, true), "ssh-rsa");
}

TEST(AuthClient, asks_three_times_for_each_of_the_prompted_methods_then_gives_up) {
  AuthClient client(config_with({}));
  client.start();
  auto actions = client.take(failure_message(kAll, false));
  int dialogues = 0, passwords = 0;
  while (actions) {
    if (client.phase() == ClientPhase::interactive_sent) {
      actions = client.take(info_request(1));
      ++dialogues;
      std::vector<Secret> answers;
      answers.push_back(test::secret("no"));
      actions = client.take_answers(std::move(answers));
    } else if (client.phase() == ClientPhase::password_asked) {
      ++passwords;
      actions = client.take_password(test::secret("no"));
    }
    ASSERT_TRUE(actions);
    actions = client.take(failure_message(kAll, false));
    ASSERT_LT(dialogues + passwords, 10);
  }
  EXPECT_EQ(actions.error(), ErrorCode::auth_no_methods);
  EXPECT_EQ(dialogues, 3);
  EXPECT_EQ(passwords, 3);
}

TEST(AuthClient, does_not_start_a_dialogue_again_that_was_refused_without_a_question) {
  AuthClient client(config_with({}, {AuthMethod::keyboard_interactive}));
  client.start();
  ASSERT_TRUE(client.take(failure_message(kAll, false)));
  EXPECT_FALSE(client.take(failure_message(kAll, false)));
}

TEST(AuthClient, goes_on_with_what_is_left_after_a_partial_success) {
  AuthClient client(config_with({KeyType::ed25519}));
  client.start();
  ASSERT_TRUE(client.take(failure_message(MethodSet{AuthMethod::publickey}, false)));
  ASSERT_TRUE(client.take(key_ok_message("ssh-ed25519", test::key_of(KeyType::ed25519).public_key().blob())));
  ASSERT_TRUE(client.take_signature(std::vector<uint8_t>(4)));
  const auto actions = client.take(failure_message(MethodSet{AuthMethod::publickey, AuthMethod::password}, true));
  ASSERT_TRUE(actions);
  // The key that has done its part is not offered again.
  EXPECT_TRUE(find_action<AskPassword>(*actions));
}

TEST(AuthClient, changes_an_expired_password) {
  AuthClient client = client_in(ClientPhase::new_asked);
  const auto actions = client.take_new_password(test::secret("new"));
  const auto request = parse_auth_request(find_action<SendSecret>(*actions)->message.view());
  ASSERT_TRUE(request);
  EXPECT_EQ(request->kind, QuestionKind::password_change);
  EXPECT_EQ(text_of(request->password.view()), "x");
  EXPECT_EQ(text_of(request->new_password.view()), "new");
}

TEST(AuthClient, bounds_prompts_rounds_banners_and_cleans_their_texts) {
  EXPECT_FALSE(client_in(ClientPhase::interactive_sent).take(info_request(kMaxPrompts + 1)));
  EXPECT_FALSE(client_in(ClientPhase::interactive_sent)
                   .take(WireWriter().u8(60).string("").string("").string("").u32(UINT32_MAX).take()));
  AuthClient client = client_in(ClientPhase::interactive_sent);
  unsigned rounds = 0;
  while (client.take(info_request(0))) {
    ASSERT_TRUE(client.take_answers(std::vector<Secret>{}));
    ASSERT_LE(++rounds, kMaxClientRounds);
  }
  AuthClient shown = client_in(ClientPhase::probing);
  const auto actions = shown.take(banner_message("a\x1b[2Jb\r\n\x07"));
  EXPECT_EQ(find_action<ShowText>(*actions)->text, "a[2Jb\n");
  unsigned texts = 1;
  for (int i = 0; i < 100; ++i) texts += static_cast<unsigned>(shown.take(banner_message("x"))->size());
  EXPECT_EQ(texts, kMaxBanners);
}

TEST(AuthClient, gives_up_a_method_when_its_user_does) {
  AuthClient client = client_in(ClientPhase::password_asked);
  const auto actions = client.take_password(std::nullopt);
  ASSERT_FALSE(actions);
  EXPECT_EQ(actions.error(), ErrorCode::auth_no_methods);
}

uint8_t has_signature(const ClientActions& actions) {
  const auto* sent = find_action<SendSecret>(actions);
  if (!sent) return 2;
  WireReader reader(sent->message.view());
  reader.u8();
  reader.text(), reader.text();
  return reader.text() == "publickey" ? reader.u8() : 3;
}

AuthClientConfig keys_first(std::vector<KeyType> keys, std::vector<AuthMethod> order = {}) {
  AuthClientConfig config = config_with(std::move(keys), std::move(order));
  config.keys_first = true;
  return config;
}

TEST(AuthClient, offers_a_key_in_its_first_request_and_probes_when_nothing_else_is_left) {
  AuthClient client(keys_first({KeyType::ed25519, KeyType::ecdsa_nistp256}));
  EXPECT_EQ(has_signature(client.start()), 0);
  EXPECT_EQ(client.phase(), ClientPhase::querying);
  const auto second = client.take(failure_message(MethodSet{AuthMethod::publickey}, false));
  ASSERT_TRUE(second);
  EXPECT_EQ(has_signature(*second), 0);
  EXPECT_FALSE(client.last_try());
  // Some servers let in whoever asks.
  const auto last = client.take(failure_message(MethodSet{AuthMethod::publickey}, false));
  ASSERT_TRUE(last);
  EXPECT_EQ(has_signature(*last), 3);
  EXPECT_EQ(client.phase(), ClientPhase::probing);
  EXPECT_TRUE(client.last_try());
  const auto over = client.take(failure_message(MethodSet{AuthMethod::publickey}, false));
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error(), ErrorCode::auth_no_methods);
}

TEST(AuthClient, probes_before_it_asks_anybody_for_a_password) {
  for (const AuthMethod method : {AuthMethod::password, AuthMethod::keyboard_interactive}) {
    AuthClient client(keys_first({KeyType::ed25519}));
    client.start();
    const auto probe = client.take(failure_message(MethodSet{AuthMethod::publickey, method}, false));
    ASSERT_TRUE(probe);
    EXPECT_EQ(has_signature(*probe), 3);
    EXPECT_EQ(client.phase(), ClientPhase::probing);
    EXPECT_TRUE(client.probing_before_asking());
    EXPECT_FALSE(client.last_try());
    const auto actions = client.take(failure_message(MethodSet{AuthMethod::publickey, method}, false));
    ASSERT_TRUE(actions);
    EXPECT_EQ(client.phase(),
              method == AuthMethod::password ? ClientPhase::password_asked : ClientPhase::interactive_sent);
    EXPECT_FALSE(client.probing_before_asking());
  }
}

TEST(AuthClient, is_let_in_by_a_probe_after_a_refused_key) {
  AuthClient client(keys_first({KeyType::ed25519}));
  client.start();
  ASSERT_TRUE(client.take(failure_message(MethodSet{AuthMethod::publickey, AuthMethod::password}, false)));
  const auto in = client.take(std::vector<uint8_t>{52});
  ASSERT_TRUE(in);
  const auto* done = find_action<ClientAuthenticated>(*in);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->method, AuthMethod::none);
}

TEST(AuthClient, asks_for_a_password_without_a_probe_that_would_cost_the_user_a_try) {
  const auto refusal = failure_message(MethodSet{AuthMethod::publickey, AuthMethod::password}, false);
  AuthClient many(keys_first({KeyType::ed25519, KeyType::ecdsa_nistp256, KeyType::rsa}));
  many.start();
  ASSERT_TRUE(many.take(refusal));
  ASSERT_TRUE(many.take(refusal));
  const auto asked = many.take(refusal);
  ASSERT_TRUE(asked);
  EXPECT_TRUE(find_action<AskPassword>(*asked));
  AuthClientConfig config = keys_first({KeyType::ed25519});
  config.probe_before_asking = false;
  AuthClient told(std::move(config));
  told.start();
  const auto at_once = told.take(refusal);
  ASSERT_TRUE(at_once);
  EXPECT_TRUE(find_action<AskPassword>(*at_once));
}

TEST(AuthClient, probes_first_where_it_has_no_key_or_keys_do_not_come_first) {
  EXPECT_EQ(has_signature(AuthClient(keys_first({})).start()), 3);
  EXPECT_EQ(has_signature(AuthClient(keys_first({KeyType::ed25519}, {AuthMethod::password})).start()), 3);
}

TEST(AuthClient, signs_at_once_with_the_one_key_that_asks_nobody) {
  AuthClientConfig config = keys_first({KeyType::ed25519});
  config.identities.front().ready = true;
  AuthClient client(std::move(config));
  const ClientActions actions = client.start();
  const auto* sign = find_action<SignWith>(actions);
  ASSERT_TRUE(sign);
  EXPECT_EQ(client.phase(), ClientPhase::signing);
  EXPECT_FALSE(client.take(std::vector<uint8_t>{52})) << "nothing was asked yet";
  AuthClientConfig again = keys_first({KeyType::ed25519});
  again.identities.front().ready = true;
  AuthClient other(std::move(again));
  other.start();
  const auto sent = other.take_signature(std::vector<uint8_t>(8));
  ASSERT_TRUE(sent);
  EXPECT_EQ(has_signature(*sent), 1);
  EXPECT_TRUE(other.take(std::vector<uint8_t>{52}));
}

TEST(AuthClient, signs_with_what_the_server_named_after_the_first_request) {
  AuthClient client(keys_first({KeyType::ed25519, KeyType::rsa}));
  client.start();
  client.learn_sig_algs({"rsa-sha2-256"});
  const auto second = client.take(failure_message(MethodSet{AuthMethod::publickey}, false));
  ASSERT_TRUE(second);
  const auto* sent = find_action<SendSecret>(*second);
  ASSERT_TRUE(sent);
  EXPECT_NE(text_of(sent->message.view()).find("rsa-sha2-256"), std::string_view::npos);
}

}  // namespace
}  // namespace sluice
