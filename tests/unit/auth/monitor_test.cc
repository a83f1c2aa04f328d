// The monitor as a state machine: what it signs, whom it believes, what it condemns.
#include "control/monitor/monitor.h"

#include <unistd.h>

#include "control/keys/fingerprint.h"
#include "tests/unit/auth/auth_world.h"

namespace sluice {
namespace {

using test::MonitorWorld;
using test::password_question;
using test::proof_question;

template <class T>
const T* find_event(const std::vector<MonitorEvent>& events) {
  for (const auto& event : events)
    if (const T* found = std::get_if<T>(&event)) return found;
  return nullptr;
}

void add_ann(MonitorWorld& world, std::string_view password = "pw") {
  ASSERT_TRUE(world.users.put(
      test::local_user("ann", password,
                       {test::key_of(KeyType::ed25519).public_key(), test::key_of(KeyType::ecdsa_nistp256).public_key(),
                        test::key_of(KeyType::rsa).public_key()})));
}

AuthQuestion query_of(const AuthQuestion& proof) {
  AuthQuestion query;
  query.kind = QuestionKind::key_query;
  query.user = proof.user;
  query.algorithm = proof.algorithm;
  query.key = proof.key;
  return query;
}

TEST(Monitor, lists_its_host_keys_and_signs_exchange_hashes) {
  MonitorWorld world;
  world.client.list_host_keys();
  auto events = world.pump();
  const auto* listed = find_event<HostKeysListed>(events);
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->keys.size(), 1u);
  EXPECT_EQ(listed->first_methods.names(), "publickey,password,keyboard-interactive");
  EXPECT_EQ(listed->keys[0].algorithms, std::vector<std::string>{"ssh-ed25519"});
  const uint32_t id = world.client.open({"192.0.2.1", ""});
  const SignRequest request = world.sign_request();
  world.client.sign(id, request);
  events = world.pump();
  const auto* sign = find_event<Signed>(events);
  ASSERT_TRUE(sign);
  EXPECT_TRUE(PublicKey::parse(world.host_key)->verify(sign->signature, "ssh-ed25519", request.hash));
}

TEST(Monitor, signs_nothing_that_has_not_the_length_of_the_methods_hash) {
  const std::pair<const char*, size_t> methods[] = {{"curve25519-sha256", 32},
                                                    {"ecdh-sha2-nistp384", 48},
                                                    {"diffie-hellman-group18-sha512", 64},
                                                    {"diffie-hellman-group14-sha1", 20}};
  for (const auto& [name, size] : methods) {
    for (const size_t length : {size_t{0}, size - 1, size, size + 1, size_t{64}, size_t{20}}) {
      MonitorWorld world;
      const uint32_t id = world.client.open({"192.0.2.1", ""});
      world.client.sign(id, {name, "ssh-ed25519", world.host_key, test::some_hash(length)});
      const auto events = world.pump();
      EXPECT_EQ(find_event<Signed>(events) != nullptr, length == size) << name << " " << length;
      EXPECT_EQ(find_event<Condemned>(events) != nullptr, length != size);
    }
  }
}

TEST(Monitor, condemns_signing_with_unknown_methods_keys_and_algorithms) {
  const auto condemned = [](auto change) {
    MonitorWorld world;
    const uint32_t id = world.client.open({"192.0.2.1", ""});
    SignRequest request = world.sign_request();
    change(request);
    world.client.sign(id, request);
    return !world.condemnation(world.pump()).empty();
  };
  EXPECT_FALSE(condemned([](SignRequest&) {}));
  EXPECT_TRUE(condemned([](SignRequest& r) { r.kex = "none"; }));
  EXPECT_TRUE(condemned([](SignRequest& r) { r.algorithm = "rsa-sha2-256"; }));
  EXPECT_TRUE(condemned([](SignRequest& r) { r.host_key[20] ^= 1; }));
}

TEST(Monitor, lets_in_whoever_signs_over_this_session_with_a_listed_key) {
  MonitorWorld world;
  add_ann(world);
  const std::pair<KeyType, const char*> keys[] = {{KeyType::ed25519, "ssh-ed25519"},
                                                  {KeyType::ecdsa_nistp256, "ecdsa-sha2-nistp256"},
                                                  {KeyType::rsa, "rsa-sha2-256"},
                                                  {KeyType::rsa, "rsa-sha2-512"}};
  for (const auto& [type, algorithm] : keys) {
    const uint32_t id = world.connection();
    const AuthQuestion proof = proof_question(test::key_of(type), algorithm, test::some_hash(32));
    EXPECT_EQ(world.judge(id, query_of(proof)).kind, VerdictKind::key_ok);
    EXPECT_EQ(world.monitor->permit_of(id), nullptr);
    const AuthVerdict verdict = world.judge(id, proof);
    EXPECT_EQ(verdict.kind, VerdictKind::accepted) << algorithm;
    ASSERT_TRUE(verdict.permit);
    EXPECT_EQ(verdict.permit->user, "ann");
    EXPECT_EQ(verdict.permit->methods, "publickey");
    EXPECT_EQ(verdict.permit->key, sha256_fingerprint(test::key_of(type).public_key()));
    EXPECT_TRUE(world.monitor->permit_of(id));
  }
}

constexpr const char* kCertified = "ssh-ed25519-cert-v01@openssh.com";

// ann, whose only line is an authority's.
void add_authority(MonitorWorld& world, const PrivateKey& authority) {
  LocalUser ann = test::local_user("ann", "pw");
  KeyOptions options;
  options.cert_authority = true;
  ann.keys.push_back({1, options, authority.public_key(), ""});
  ASSERT_TRUE(world.users.put(std::move(ann)));
}

TEST(Monitor, lets_in_whoever_signs_with_a_key_that_a_listed_authority_certified) {
  MonitorWorld world;
  const PrivateKey& ca = test::other_key();
  add_authority(world, ca);
  const std::tuple<KeyType, const char*, const char*, const char*> keys[] = {
      {KeyType::ed25519, kCertified, kCertified, "ssh-ed25519"},
      {KeyType::ecdsa_nistp256, "ecdsa-sha2-nistp256-cert-v01@openssh.com", "ecdsa-sha2-nistp256-cert-v01@openssh.com",
       "ecdsa-sha2-nistp256"},
      {KeyType::rsa, "rsa-sha2-512-cert-v01@openssh.com", "ssh-rsa-cert-v01@openssh.com", "rsa-sha2-512"},
      {KeyType::rsa, "rsa-sha2-256-cert-v01@openssh.com", "ssh-rsa-cert-v01@openssh.com", "rsa-sha2-256"}};
  for (const auto& [type, algorithm, format, plain] : keys) {
    const PrivateKey& key = test::key_of(type);
    const auto blob = test::certificate_of(key.public_key(), format, ca, "ssh-ed25519");
    const uint32_t id = world.connection();
    const AuthQuestion proof = test::certified_question(key, algorithm, plain, blob, test::some_hash(32));
    EXPECT_EQ(world.judge(id, query_of(proof)).kind, VerdictKind::key_ok) << algorithm;
    EXPECT_EQ(world.monitor->permit_of(id), nullptr);
    const AuthVerdict verdict = world.judge(id, proof);
    ASSERT_EQ(verdict.kind, VerdictKind::accepted) << algorithm;
    EXPECT_EQ(verdict.permit->key, sha256_fingerprint(key.public_key()));
    EXPECT_FALSE(verdict.permit->pty) << "the certificate permits nothing";
  }
}

TEST(Monitor, refuses_certificates_of_others_for_others_and_signatures_under_another_name) {
  MonitorWorld world;
  const PrivateKey& ca = test::other_key();
  add_authority(world, ca);
  const PrivateKey& key = test::key_of(KeyType::ed25519);
  const auto session = test::some_hash(32);
  const auto blob_of = [&](const PrivateKey& authority, const test::Certified& says = {}) {
    return test::certificate_of(key.public_key(), kCertified, authority, "ssh-ed25519", says);
  };
  const auto refused_by = [&](const AuthQuestion& question) {
    return world.judge(world.connection(), question).kind == VerdictKind::refused;
  };
  const auto asked = [&](std::vector<uint8_t> blob, std::string_view algorithm = kCertified) {
    return test::certified_question(key, algorithm, "ssh-ed25519", std::move(blob), session);
  };
  EXPECT_FALSE(refused_by(asked(blob_of(ca))));
  EXPECT_TRUE(refused_by(asked(blob_of(key)))) << "its own authority";
  EXPECT_TRUE(refused_by(asked(blob_of(ca, {.names = {"bob"}}))));
  EXPECT_TRUE(refused_by(asked(blob_of(ca, {.names = {}}))));
  EXPECT_TRUE(refused_by(asked(blob_of(ca, {.kind = 2}))));
  EXPECT_TRUE(refused_by(asked(blob_of(ca, {.after = UINT64_MAX - 1}))));
  EXPECT_TRUE(refused_by(asked(blob_of(ca, {.before = 1}))));
  EXPECT_TRUE(refused_by(asked(blob_of(ca, {.critical = "drink"}))));
  // Names: of the plain algorithm around a certificate, of a certificate around a plain key, of another key's.
  EXPECT_TRUE(refused_by(asked(blob_of(ca), "ssh-ed25519")));
  const Bytes plain = key.public_key().blob();
  EXPECT_TRUE(refused_by(asked({plain.begin(), plain.end()}, kCertified)));
  EXPECT_TRUE(refused_by(asked(blob_of(ca), "rsa-sha2-512-cert-v01@openssh.com")));
  EXPECT_TRUE(refused_by(asked(blob_of(ca), "ssh-rsa-cert-v01@openssh.com"))) << "SHA-1 is off";
  // A signature by another key, for another session, or over the plain name.
  EXPECT_TRUE(refused_by(test::certified_question(ca, kCertified, "ssh-ed25519", blob_of(ca), session)));
  EXPECT_TRUE(
      refused_by(test::certified_question(key, kCertified, "ssh-ed25519", blob_of(ca), test::some_hash(32, 8))));
  AuthQuestion lent = proof_question(key, "ssh-ed25519", session);
  lent.algorithm = kCertified;
  lent.key = blob_of(ca);
  EXPECT_TRUE(refused_by(lent));
  // The authority's own key logs nobody in.
  EXPECT_TRUE(refused_by(proof_question(ca, "ssh-ed25519", session)));
}

TEST(Monitor, takes_a_key_and_its_certificate_for_one_key_where_two_are_demanded) {
  MonitorConfig config;
  config.login.ways = {{AuthMethod::publickey, AuthMethod::publickey}};
  MonitorWorld world(std::move(config));
  const PrivateKey& ca = test::other_key();
  LocalUser ann = test::local_user("ann", "", {test::key_of(KeyType::ed25519).public_key()});
  KeyOptions options;
  options.cert_authority = true;
  ann.keys.push_back({2, options, ca.public_key(), ""});
  ASSERT_TRUE(world.users.put(std::move(ann)));
  const auto session = test::some_hash(32);
  const auto certified = [&](const PrivateKey& key, const char* name, const char* plain) {
    return test::certified_question(key, name, plain, test::certificate_of(key.public_key(), name, ca, "ssh-ed25519"),
                                    session);
  };
  const PrivateKey& key = test::key_of(KeyType::ed25519);
  const uint32_t id = world.connection();
  EXPECT_EQ(world.judge(id, proof_question(key, "ssh-ed25519", session)).kind, VerdictKind::partial);
  EXPECT_EQ(world.judge(id, certified(key, kCertified, "ssh-ed25519")).kind, VerdictKind::refused);
  EXPECT_EQ(world
                .judge(id, certified(test::key_of(KeyType::ecdsa_nistp256), "ecdsa-sha2-nistp256-cert-v01@openssh.com",
                                     "ecdsa-sha2-nistp256"))
                .kind,
            VerdictKind::accepted);
}

TEST(Monitor, refuses_signatures_that_are_not_this_keys_this_sessions_this_users_or_this_algorithms) {
  MonitorWorld world;
  add_ann(world);
  ASSERT_TRUE(world.users.put(test::local_user("bob", "", {test::key_of(KeyType::ed25519).public_key()})));
  const PrivateKey& key = test::key_of(KeyType::ed25519);
  const auto session = test::some_hash(32);
  const auto refused_by = [&](AuthQuestion question) {
    return world.judge(world.connection(), question).kind == VerdictKind::refused;
  };
  EXPECT_TRUE(refused_by(proof_question(test::other_key(), "ssh-ed25519", session)));
  AuthQuestion borrowed = proof_question(test::other_key(), "ssh-ed25519", session);
  borrowed.key = proof_question(key, "ssh-ed25519", session).key;
  EXPECT_TRUE(refused_by(std::move(borrowed)));
  EXPECT_TRUE(refused_by(proof_question(key, "ssh-ed25519", test::some_hash(32, 8))));
  AuthQuestion renamed = proof_question(key, "ssh-ed25519", session, "bob");
  renamed.user = "ann";
  EXPECT_TRUE(refused_by(std::move(renamed)));
  EXPECT_TRUE(refused_by(proof_question(key, "ssh-ed25519", session, "nobody-here")));
  AuthQuestion empty = proof_question(key, "ssh-ed25519", session);
  empty.signature.clear();
  EXPECT_TRUE(refused_by(std::move(empty)));
}

TEST(Monitor, refuses_an_ssh_rsa_signature_under_an_rsa_sha2_name_and_all_other_confusions) {
  MonitorWorld world;
  add_ann(world);
  const PrivateKey& rsa = test::key_of(KeyType::rsa);
  const auto session = test::some_hash(32);
  const auto verdict_for = [&](AuthQuestion question) { return world.judge(world.connection(), question).kind; };
  // Signed data says rsa-sha2-256, the signature's hash and name are those of ssh-rsa.
  AuthQuestion confused = proof_question(rsa, "rsa-sha2-256", session);
  confused.signature =
      *rsa.sign("ssh-rsa", publickey_signed_data(session, "ann", "rsa-sha2-256", rsa.public_key().blob()));
  EXPECT_EQ(verdict_for(std::move(confused)), VerdictKind::refused);
  EXPECT_EQ(verdict_for(proof_question(rsa, "ssh-rsa", session)), VerdictKind::refused);
  AuthQuestion stronger = proof_question(rsa, "rsa-sha2-512", session);
  stronger.algorithm = "rsa-sha2-256";
  EXPECT_EQ(verdict_for(std::move(stronger)), VerdictKind::refused);
  AuthQuestion crossed = proof_question(rsa, "rsa-sha2-512", session);
  crossed.algorithm = "ssh-ed25519";
  EXPECT_EQ(verdict_for(std::move(crossed)), VerdictKind::refused);
  AuthQuestion unknown = proof_question(rsa, "rsa-sha2-512", session);
  unknown.algorithm = "rsa-sha3";
  EXPECT_EQ(verdict_for(std::move(unknown)), VerdictKind::refused);
}

TEST(Monitor, refuses_rsa_keys_that_are_too_short_even_when_listed) {
  MonitorWorld world;
  const auto small = PrivateKey::generate(KeyType::rsa, 1024, {.min_rsa_bits = 1024});
  ASSERT_TRUE(small);
  ASSERT_TRUE(world.users.put(test::local_user("ann", "", {small->public_key()})));
  const AuthQuestion proof = proof_question(*small, "rsa-sha2-256", test::some_hash(32));
  EXPECT_EQ(world.judge(world.connection(), query_of(proof)).kind, VerdictKind::refused);
  EXPECT_EQ(world.judge(world.connection(), proof).kind, VerdictKind::refused);
}

TEST(Monitor, keeps_the_first_hash_as_session_id_through_rekeys) {
  MonitorWorld world;
  add_ann(world);
  const uint32_t id = world.connection(1);
  world.client.sign(id, world.sign_request(2));
  world.pump();
  const PrivateKey& key = test::key_of(KeyType::ed25519);
  EXPECT_EQ(world.judge(id, proof_question(key, "ssh-ed25519", test::some_hash(32, 2))).kind, VerdictKind::refused);
  EXPECT_EQ(world.judge(id, proof_question(key, "ssh-ed25519", test::some_hash(32, 1))).kind, VerdictKind::accepted);
}

TEST(Monitor, counts_tries_itself_over_all_methods) {
  MonitorConfig config;
  config.login.max_tries = 5;
  MonitorWorld world(std::move(config));
  add_ann(world);
  const uint32_t id = world.connection();
  const AuthQuestion bad = proof_question(test::other_key(), "ssh-ed25519", test::some_hash(32));
  EXPECT_EQ(world.judge(id, bad).kind, VerdictKind::refused);
  EXPECT_EQ(world.judge(id, password_question("no")).kind, VerdictKind::refused);
  EXPECT_EQ(world.judge(id, query_of(bad)).kind, VerdictKind::refused);
  EXPECT_EQ(world.judge(id, password_question("no")).kind, VerdictKind::refused);
  EXPECT_EQ(world.judge(id, bad).kind, VerdictKind::exhausted);
  // The right password comes too late, and asking for it is a lie of the network process.
  world.client.ask(id, password_question("pw"));
  EXPECT_FALSE(world.condemnation(world.pump()).empty());
  EXPECT_EQ(world.monitor->permit_of(id), nullptr);
}

TEST(Monitor, takes_three_passwords_whatever_the_limit_of_tries) {
  MonitorWorld world;
  add_ann(world);
  const uint32_t id = world.connection();
  for (int i = 0; i < 3; ++i) {
    const AuthVerdict verdict = world.judge(id, password_question("no"));
    EXPECT_EQ(verdict.kind, VerdictKind::refused);
    EXPECT_EQ(verdict.methods.has(AuthMethod::password), i < 2);
  }
  EXPECT_EQ(world.judge(id, password_question("pw")).kind, VerdictKind::refused);
  EXPECT_EQ(world.judge(id, proof_question(test::key_of(KeyType::ed25519), "ssh-ed25519", test::some_hash(32))).kind,
            VerdictKind::accepted);
}

TEST(Monitor, demands_several_methods_in_their_order) {
  MonitorConfig config;
  config.login.ways = {{AuthMethod::publickey, AuthMethod::password}};
  MonitorWorld world(std::move(config));
  add_ann(world);
  const uint32_t id = world.connection();
  EXPECT_EQ(world.judge(id, password_question("pw")).kind, VerdictKind::refused);
  const AuthQuestion proof = proof_question(test::key_of(KeyType::ed25519), "ssh-ed25519", test::some_hash(32));
  AuthVerdict verdict = world.judge(id, proof);
  EXPECT_EQ(verdict.kind, VerdictKind::partial);
  EXPECT_EQ(verdict.methods, MethodSet{AuthMethod::password});
  EXPECT_FALSE(verdict.permit);
  EXPECT_EQ(world.monitor->permit_of(id), nullptr);
  EXPECT_EQ(world.judge(id, password_question("no")).kind, VerdictKind::refused);
  verdict = world.judge(id, password_question("pw"));
  EXPECT_EQ(verdict.kind, VerdictKind::accepted);
  EXPECT_EQ(verdict.permit->methods, "publickey,password");
}

TEST(Monitor, forgets_partial_success_but_not_failures_when_the_user_changes) {
  MonitorConfig config;
  config.login.ways = {{AuthMethod::publickey, AuthMethod::password}};
  config.login.max_tries = 4;
  MonitorWorld world(std::move(config));
  add_ann(world);
  ASSERT_TRUE(world.users.put(test::local_user("bob", "bobs")));
  const uint32_t id = world.connection();
  const AuthQuestion proof = proof_question(test::key_of(KeyType::ed25519), "ssh-ed25519", test::some_hash(32));
  EXPECT_EQ(world.judge(id, proof).kind, VerdictKind::partial);
  EXPECT_EQ(world.judge(id, password_question("bobs", "bob")).kind, VerdictKind::refused);
  EXPECT_EQ(world.judge(id, password_question("pw")).kind, VerdictKind::refused);
  EXPECT_EQ(world.judge(id, password_question("pw")).kind, VerdictKind::refused);
  EXPECT_EQ(world.judge(id, password_question("bobs", "bob")).kind, VerdictKind::exhausted);
}

TEST(Monitor, wants_two_different_keys_where_two_are_demanded) {
  MonitorConfig config;
  config.login.ways = {{AuthMethod::publickey, AuthMethod::publickey}};
  MonitorWorld world(std::move(config));
  add_ann(world);
  const uint32_t id = world.connection();
  const AuthQuestion first = proof_question(test::key_of(KeyType::ed25519), "ssh-ed25519", test::some_hash(32));
  EXPECT_EQ(world.judge(id, first).kind, VerdictKind::partial);
  EXPECT_EQ(world.judge(id, first).kind, VerdictKind::refused);
  EXPECT_EQ(
      world.judge(id, proof_question(test::key_of(KeyType::ecdsa_nistp256), "ecdsa-sha2-nistp256", test::some_hash(32)))
          .kind,
      VerdictKind::accepted);
}

TEST(Monitor, runs_a_dialogue_and_a_change_of_password_in_it) {
  std::string kept;
  LocalUsers users([&](const std::string&, const std::string& hashed) {
    kept = hashed;
    return true;
  });
  LocalUser ann = test::local_user("ann", "old");
  ann.must_change = true;
  ASSERT_TRUE(users.put(std::move(ann)));
  MonitorWorld world({}, &users);
  const uint32_t id = world.connection();
  const auto start = [&] {
    AuthQuestion question;
    question.kind = QuestionKind::interactive;
    question.user = "ann";
    return world.judge(id, question);
  };
  const auto answer = [&](std::vector<std::string> texts) {
    AuthQuestion question;
    question.kind = QuestionKind::answers;
    for (const std::string& text : texts) question.answers.push_back(test::secret(text));
    return world.judge(id, question);
  };
  EXPECT_EQ(start().kind, VerdictKind::prompts);
  EXPECT_EQ(answer({"wrong"}).kind, VerdictKind::refused);
  EXPECT_EQ(start().kind, VerdictKind::prompts);
  EXPECT_EQ(answer({"old", "and", "more"}).kind, VerdictKind::refused);
  EXPECT_EQ(start().prompts.prompts.size(), 1u);
  EXPECT_EQ(answer({"old"}).prompts.prompts.size(), 2u);
  EXPECT_NE(answer({"new", "mew"}).prompts.instruction.find("have to be the same"), std::string::npos);
  EXPECT_EQ(answer({"new", "new"}).kind, VerdictKind::accepted);
  EXPECT_TRUE(matches_hashed_secret(test::secret("new"), kept, kept));
}

TEST(Monitor, counts_dialogues_that_are_begun_and_left) {
  MonitorConfig config;
  config.login.max_tries = 4;
  MonitorWorld world(std::move(config));
  add_ann(world);
  const uint32_t id = world.connection();
  AuthQuestion dialogue;
  dialogue.kind = QuestionKind::interactive;
  dialogue.user = "ann";
  for (int i = 0; i < 4; ++i) EXPECT_EQ(world.judge(id, dialogue).kind, VerdictKind::prompts) << i;
  EXPECT_EQ(world.judge(id, dialogue).kind, VerdictKind::exhausted);
}

TEST(Monitor, asks_for_a_new_password_and_takes_it_by_the_password_method) {
  MonitorWorld world;
  LocalUser ann = test::local_user("ann", "old");
  ann.must_change = true;
  ASSERT_TRUE(world.users.put(std::move(ann)));
  const uint32_t id = world.connection();
  EXPECT_EQ(world.judge(id, password_question("old")).kind, VerdictKind::change_password);
  AuthQuestion change = password_question("old");
  change.kind = QuestionKind::password_change;
  change.new_password = test::secret("");
  EXPECT_EQ(world.judge(id, change).kind, VerdictKind::change_password);
  change = password_question("wrong");
  change.kind = QuestionKind::password_change;
  change.new_password = test::secret("new");
  EXPECT_EQ(world.judge(id, change).kind, VerdictKind::refused);
}

TEST(Monitor, condemns_what_no_honest_network_process_does) {
  struct Lie {
    const char* what;
    std::function<void(MonitorWorld&)> tell;
  };
  const auto send = [](MonitorWorld& world, MonitorType type, uint32_t connection, uint32_t request, Bytes body) {
    world.client.output().append({type, connection, request}, body);
  };
  const AuthQuestion probe;
  const std::vector<Lie> lies{
      {"a login before the key exchange",
       [](MonitorWorld& w) {
         w.client.ask(w.client.open({"192.0.2.1", ""}), password_question("pw"));
       }},
      {"a request number twice",
       [&](MonitorWorld& w) {
         const uint32_t id = w.connection();
         send(w, MonitorType::question, id, 1, write_question(probe).view());
       }},
      {"answers without a dialogue",
       [](MonitorWorld& w) {
         AuthQuestion answers;
         answers.kind = QuestionKind::answers;
         w.client.ask(w.connection(), answers);
       }},
      {"a broker before a login", [](MonitorWorld& w) { w.client.start_broker(w.connection()); }},
      {"proofs before a login",
       [](MonitorWorld& w) {
         const uint32_t id = w.connection();
         w.client.prove(id, {{w.host_key, "ssh-ed25519"}});
       }},
      {"two questions at once",
       [&](MonitorWorld& w) {
         const uint32_t id = w.connection();
         w.client.ask(id, password_question("a"));
         w.client.ask(id, password_question("b"));
       }},
      {"a login after the login",
       [](MonitorWorld& w) {
         const uint32_t id = w.connection();
         EXPECT_EQ(w.judge(id, password_question("pw")).kind, VerdictKind::accepted);
         w.client.ask(id, password_question("pw"));
       }},
      {"a login after the timeout",
       [](MonitorWorld& w) {
         const uint32_t id = w.connection();
         w.now += Instant(151000);
         w.client.ask(id, password_question("pw"));
       }},
      {"a monitor's message", [&](MonitorWorld& w) { send(w, MonitorType::verdict, w.connection(), 9, {}); }},
      {"a torn question",
       [&](MonitorWorld& w) { send(w, MonitorType::question, w.connection(), 9, test::some_hash(5)); }},
      {"too many key exchanges",
       [](MonitorWorld& w) {
         const uint32_t id = w.connection();
         for (unsigned i = 0; i < kMaxSignsBeforeLogin; ++i) w.client.sign(id, w.sign_request());
       }},
      {"an overloaded monitor",
       [](MonitorWorld& w) {
         const uint32_t id = w.connection();
         w.runner.full = true;
         w.client.ask(id, password_question("pw"));
       }},
  };
  for (const Lie& lie : lies) {
    MonitorWorld world;
    add_ann(world);
    lie.tell(world);
    const auto events = world.pump();
    EXPECT_FALSE(world.condemnation(events).empty()) << lie.what;
    EXPECT_EQ(world.monitor->condemned(), 1u) << lie.what;
    EXPECT_TRUE(world.link_alive) << lie.what;
    // Others are served as before.
    world.runner.full = false;
    EXPECT_EQ(world.judge(world.connection(), password_question("pw")).kind, VerdictKind::accepted) << lie.what;
  }
}

TEST(Monitor, serves_a_condemned_connection_no_more) {
  MonitorWorld world;
  add_ann(world);
  const uint32_t id = world.connection();
  world.client.start_broker(id);
  EXPECT_FALSE(world.condemnation(world.pump()).empty());
  world.client.ask(id, password_question("pw"));
  const auto events = world.pump();
  EXPECT_FALSE(find_event<Judged>(events));
  EXPECT_EQ(world.monitor->permit_of(id), nullptr);
}

TEST(Monitor, gives_up_a_link_that_opens_connections_out_of_order_or_sends_no_frames) {
  const auto alive_after = [](MonitorType type, uint32_t connection, std::vector<uint8_t> body) {
    MonitorWorld world;
    world.connection();
    world.client.output().append({type, connection, 1}, body);
    world.pump();
    return world.link_alive;
  };
  EXPECT_FALSE(alive_after(MonitorType::open, 1, write_open({"192.0.2.1", ""})));
  EXPECT_FALSE(alive_after(MonitorType::open, 0, write_open({"192.0.2.1", ""})));
  EXPECT_FALSE(alive_after(MonitorType::open, 2, {1, 2, 3}));
  EXPECT_TRUE(alive_after(MonitorType::open, 2, write_open({"192.0.2.1", ""})));
  MonitorWorld world;
  EXPECT_FALSE(world.monitor->take_packet(Bytes{}, world.now));
  EXPECT_FALSE(world.monitor->take_packet(test::some_hash(64, 0xff), world.now));
}

TEST(Monitor, bounds_connections_and_forgets_closed_ones) {
  MonitorConfig config;
  config.max_connections = 2;
  MonitorWorld world(std::move(config));
  const uint32_t first = world.connection();
  world.connection();
  world.client.open({"192.0.2.1", ""});
  EXPECT_EQ(world.condemnation(world.pump()), "too many connections");
  world.client.close(first);
  world.pump();
  EXPECT_EQ(world.monitor->connections(), 1u);
  world.client.output().append({MonitorType::sign, first, 2}, write_sign(world.sign_request()));
  world.pump();
  EXPECT_EQ(world.monitor->condemned(), 1u);
}

TEST(Monitor, starts_brokers_for_whoever_it_let_in_and_proves_its_host_keys_to_him) {
  std::string started;
  MonitorConfig config;
  config.start_broker = [&](uint32_t, const LoginSource&, const Permit& permit, BrokerDone done) {
    started = permit.user;
    done(UniqueFd(::dup(0)));
  };
  MonitorWorld world(std::move(config));
  add_ann(world);
  const uint32_t id = world.connection();
  EXPECT_EQ(world.judge(id, password_question("pw")).kind, VerdictKind::accepted);
  world.client.start_broker(id);
  world.client.prove(id, {{world.host_key, "ssh-ed25519"}});
  const auto events = world.pump();
  ASSERT_TRUE(find_event<BrokerAnswered>(events));
  EXPECT_TRUE(find_event<BrokerAnswered>(events)->reply.started);
  EXPECT_TRUE(find_event<BrokerAnswered>(events)->link);
  EXPECT_EQ(started, "ann");
  const auto* proved = find_event<Proved>(events);
  ASSERT_TRUE(proved && proved->signatures.size() == 1);
  const auto data =
      WireWriter().string("hostkeys-prove-00@openssh.com").string(test::some_hash(32)).string(world.host_key).take();
  EXPECT_TRUE(PublicKey::parse(world.host_key)->verify(proved->signatures[0], "ssh-ed25519", data));
}

TEST(Monitor, waits_for_a_broker_and_starts_one_at_a_time) {
  std::vector<BrokerDone> open;
  MonitorConfig config;
  config.start_broker = [&](uint32_t, const LoginSource&, const Permit&, BrokerDone done) {
    open.push_back(std::move(done));
  };
  MonitorWorld world(std::move(config));
  add_ann(world);
  const auto log_in = [&] {
    const uint32_t id = world.connection();
    EXPECT_EQ(world.judge(id, password_question("pw")).kind, VerdictKind::accepted);
    world.client.start_broker(id);
    return id;
  };
  const uint32_t refused = log_in(), closed = log_in(), hasty = log_in();
  EXPECT_FALSE(find_event<BrokerAnswered>(world.pump()));
  ASSERT_EQ(open.size(), 3u);
  open[0](fail("no such shell"));
  const auto events = world.pump();
  const auto* answered = find_event<BrokerAnswered>(events);
  ASSERT_TRUE(answered && answered->connection == refused);
  EXPECT_FALSE(answered->reply.started);
  EXPECT_EQ(answered->reply.text, "no such shell");
  // What comes for a connection that is gone is closed.
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const UniqueFd other(ends[0]);
  world.client.close(closed);
  world.pump();
  open[1](UniqueFd(ends[1]));
  EXPECT_FALSE(find_event<BrokerAnswered>(world.pump()));
  char byte;
  EXPECT_EQ(::read(other.get(), &byte, 1), 0);
  world.client.start_broker(hasty);
  EXPECT_EQ(world.condemnation(world.pump()), "two brokers at once");
  open[2](fail("late"));
  EXPECT_FALSE(find_event<BrokerAnswered>(world.pump()));
}

TEST(Monitor, gives_one_connection_so_many_brokers_and_no_more) {
  MonitorConfig config;
  config.start_broker = [&](uint32_t, const LoginSource&, const Permit&, BrokerDone done) { done(fail("no")); };
  MonitorWorld world(std::move(config));
  add_ann(world);
  const uint32_t id = world.connection();
  EXPECT_EQ(world.judge(id, password_question("pw")).kind, VerdictKind::accepted);
  for (unsigned i = 0; i < kMaxBrokerLinks; ++i) {
    world.client.start_broker(id);
    EXPECT_TRUE(find_event<BrokerAnswered>(world.pump()));
  }
  world.client.start_broker(id);
  EXPECT_EQ(world.condemnation(world.pump()), "too many brokers");
}

TEST(MonitorClient, takes_a_broker_only_with_its_descriptor) {
  const auto take = [](bool started, bool with_descriptor) {
    MonitorClient client;
    const uint32_t id = client.open({"192.0.2.1", ""});
    const uint32_t request = client.start_broker(id);
    PacketQueue queue;
    queue.append({MonitorType::broker, id, request}, write_broker({started, ""}));
    return client.take_packet(queue.front(), UniqueFd(with_descriptor ? ::dup(0) : -1)).has_value();
  };
  EXPECT_TRUE(take(true, true));
  EXPECT_FALSE(take(true, false));
  EXPECT_TRUE(take(false, false));
}

TEST(PacketQueue, puts_one_descriptor_in_a_packet) {
  PacketQueue queue;
  queue.append({MonitorType::broker, 1, 1}, write_broker({true, ""}), UniqueFd(::dup(0)));
  queue.append({MonitorType::condemned, 2, 0}, write_reason("x"));
  EXPECT_EQ(queue.packets(), 1u);
  queue.append({MonitorType::broker, 3, 1}, write_broker({true, ""}), UniqueFd(::dup(0)));
  EXPECT_EQ(queue.packets(), 2u);
  EXPECT_GE(queue.front_descriptor(), 0);
}

TEST(Monitor, answers_unknown_users_as_known_ones) {
  MonitorWorld world;
  add_ann(world);
  for (const char* user : {"ann", "nobody-here"}) {
    AuthVerdict verdict = world.judge(world.connection(), password_question("no", user));
    EXPECT_EQ(verdict.kind, VerdictKind::refused) << user;
    EXPECT_EQ(verdict.methods.names(), "publickey,password,keyboard-interactive") << user;
    AuthQuestion dialogue;
    dialogue.kind = QuestionKind::interactive;
    dialogue.user = user;
    verdict = world.judge(world.connection(), dialogue);
    ASSERT_EQ(verdict.kind, VerdictKind::prompts) << user;
    EXPECT_EQ(verdict.prompts.prompts[0].text, "Password: ");
  }
}

}  // namespace
}  // namespace sluice
