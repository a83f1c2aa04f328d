// Which host is believed, and what a host may say about its other keys.
#include "control/client/host_key_policy.h"

#include "control/client/known_hosts_updater.h"
#include "control/keys/fingerprint.h"
#include "control/keys/host_key_proof.h"
#include "control/keys/public_key_text.h"
#include "tests/unit/client/client_world.h"

namespace sluice::test {
namespace {

using Kind = HostKeyDecision::Kind;

const PrivateKey& key_number(size_t n) {
  static std::map<size_t, PrivateKey> keys;
  const auto found = keys.find(n);
  if (found != keys.end()) return found->second;
  return keys.emplace(n, std::move(*PrivateKey::generate(KeyType::ed25519))).first->second;
}

std::string line(const PublicKey& key, const std::string& host = "host") {
  return host + " " + to_text(key, "") + "\n";
}

PublicKey shown_key() {
  const auto blob = test_host_keys().public_blob("ssh-ed25519");
  return *PublicKey::parse(blob);
}

// --- The policy alone

TEST(HostKeyPolicy, means_by_each_strictness_what_the_words_say) {
  TemporaryFolder folder;
  const std::string file = folder / "known_hosts";
  const PublicKey& key = key_number(0).public_key();
  const PublicKey& other = key_number(1).public_key();
  const auto decide = [&](StrictHostKeys strict, const std::string& text) {
    write_text(file, text);
    return HostKeyPolicy({.host = "host", .strict = strict, .user_files = {file}}).decide(key);
  };
  using enum StrictHostKeys;
  for (const StrictHostKeys strict : {yes, accept_new, ask, no}) {
    const auto found = decide(strict, line(other) + line(key));
    EXPECT_TRUE(found.kind == Kind::accept && found.trusted && !found.remember && !found.unsafe);
    const auto revoked = decide(strict, line(key) + "@revoked " + line(key));
    EXPECT_EQ(revoked.kind, Kind::refuse) << "by whatever strictness";
    EXPECT_EQ(revoked.failure, FailureKind::host_key_revoked);
    EXPECT_NE(revoked.text.find("REVOKED HOST KEY DETECTED"), std::string::npos);
    const auto changed = decide(strict, line(other));
    EXPECT_NE(changed.text.find("REMOTE HOST IDENTIFICATION HAS CHANGED"), std::string::npos);
    EXPECT_NE(changed.text.find(file + ":1"), std::string::npos);
    EXPECT_EQ(changed.kind, strict == no ? Kind::accept : Kind::refuse);
    EXPECT_EQ(changed.unsafe, strict == no);
    EXPECT_FALSE(changed.trusted || changed.remember);
  }
  EXPECT_EQ(decide(yes, "").kind, Kind::refuse);
  EXPECT_EQ(decide(ask, "").kind, Kind::ask);
  EXPECT_NE(decide(ask, "").text.find(sha256_fingerprint(key)), std::string::npos);
  for (const StrictHostKeys strict : {accept_new, no}) {
    const auto fresh = decide(strict, "");
    EXPECT_TRUE(fresh.kind == Kind::accept && fresh.remember && !fresh.trusted);
  }
}

TEST(HostKeyPolicy, looks_in_every_file_and_learns_into_the_first) {
  TemporaryFolder folder;
  const PublicKey& key = key_number(0).public_key();
  const HostKeyPolicy policy({.host = "host",
                              .port = 2222,
                              .strict = StrictHostKeys::accept_new,
                              .user_files = {"none", folder / "a", folder / "b"},
                              .global_files = {folder / "global"}});
  write_text(folder / "global", line(key, "[host]:2222"));
  EXPECT_EQ(policy.decide(key).kind, Kind::accept);
  EXPECT_FALSE(policy.decide(key).trusted) << "the user has not met it";
  EXPECT_TRUE(policy.known().empty());
  write_text(folder / "b", "@revoked " + line(key, "*"));
  EXPECT_EQ(policy.decide(key).failure, FailureKind::host_key_revoked);
  write_text(folder / "b", line(key, "[host]:2222"));
  EXPECT_TRUE(policy.decide(key).trusted);
  const PublicKey& other = key_number(1).public_key();
  ASSERT_TRUE(policy.remember(other));
  EXPECT_EQ(read_text(folder / "a"), line(other, "[host]:2222"));
  EXPECT_EQ(policy.known().size(), 2u);
}

TEST(HostKeyPolicy, does_not_take_a_file_that_it_cannot_trust_for_an_empty_one) {
  TemporaryFolder folder;
  // Root reads whatever there is, but no folder.
  const std::string file = folder / "known_hosts";
  ASSERT_EQ(run("mkdir " + file).status, 0);
  const auto decide = [&](StrictHostKeys strict) {
    return HostKeyPolicy({.host = "host", .strict = strict, .user_files = {file}}).decide(key_number(0).public_key());
  };
  EXPECT_EQ(decide(StrictHostKeys::accept_new).kind, Kind::refuse);
  EXPECT_EQ(decide(StrictHostKeys::ask).kind, Kind::refuse);
  EXPECT_EQ(decide(StrictHostKeys::no).kind, Kind::accept);
}

// As stock clients do: a file that a group keeps together counts as any other.
TEST(HostKeyPolicy, uses_a_file_that_others_may_write_and_says_when_everybody_may) {
  TemporaryFolder folder;
  const std::string file = folder / "known_hosts";
  write_text(file, line(key_number(1).public_key()));
  const auto decide = [&](const char* mode, size_t key) {
    EXPECT_EQ(run("chmod " + std::string(mode) + " " + file).status, 0);
    return HostKeyPolicy({.host = "host", .strict = StrictHostKeys::yes, .user_files = {file}})
        .decide(key_number(key).public_key());
  };
  EXPECT_EQ(decide("0664", 1).kind, Kind::accept);
  EXPECT_EQ(decide("0664", 1).text, "");
  EXPECT_EQ(decide("0664", 0).failure, FailureKind::host_key_changed);
  EXPECT_EQ(decide("0666", 1).kind, Kind::accept);
  EXPECT_NE(decide("0666", 1).text.find("everybody may write " + file), std::string::npos);
}

TEST(HostKeyPolicy, judges_by_what_can_be_read_where_the_program_fails_and_nobody_is_strict) {
  TemporaryFolder folder;
  const std::string file = folder / "known_hosts";
  const PublicKey& key = key_number(0).public_key();
  const auto decide = [&](StrictHostKeys strict, const std::string& text) {
    write_text(file, text);
    return HostKeyPolicy({.host = "host",
                          .strict = strict,
                          .user_files = {file},
                          .program = [](const auto&) -> ResultOrText<std::string> { return fail("it was stopped"); }})
        .decide(key);
  };
  EXPECT_NE(decide(StrictHostKeys::accept_new, line(key)).text.find("it was stopped"), std::string::npos);
  EXPECT_EQ(decide(StrictHostKeys::no, "@revoked " + line(key)).failure, FailureKind::host_key_revoked);
  EXPECT_TRUE(decide(StrictHostKeys::no, line(key_number(1).public_key())).unsafe);
  const auto unknown = decide(StrictHostKeys::no, "");
  EXPECT_TRUE(unknown.kind == Kind::accept && !unknown.remember) << "nothing is learnt";
}

TEST(HostKeyPolicy, takes_yes_or_the_fingerprint_and_no_empty_line) {
  const PublicKey& key = key_number(0).public_key();
  const auto word = [&](std::string_view typed) { return HostKeyPolicy::read_word(typed, key); };
  for (const char* yes : {"yes", "YES", " yes ", "yes\n"}) EXPECT_EQ(word(yes), HostKeyWord::yes) << yes;
  EXPECT_EQ(word(sha256_fingerprint(key)), HostKeyWord::yes);
  EXPECT_EQ(word(sha256_fingerprint(key_number(1).public_key())), HostKeyWord::again);
  for (const char* no : {"no", "No", "", "  "}) EXPECT_EQ(word(no), HostKeyWord::no);
  for (const char* again : {"y", "perhaps", "n"}) EXPECT_EQ(word(again), HostKeyWord::again);
}

TEST(HostKeyPolicy, asks_a_known_host_for_the_keys_that_it_can_compare) {
  TemporaryFolder folder;
  const auto rsa = PrivateKey::generate(KeyType::rsa, 2048);
  write_text(folder / "known_hosts", line(rsa->public_key()));
  const HostKeyPolicy policy({.host = "host", .user_files = {folder / "known_hosts"}});
  EXPECT_EQ(policy.preferred({"ssh-ed25519", "rsa-sha2-512", "ecdsa-sha2-nistp256", "rsa-sha2-256"}),
            (NameList{"rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519", "ecdsa-sha2-nistp256"}));
}

// --- In a connection

ServerScript lets_everybody_in() {
  ServerScript script;
  script.on_message = [](TransportMachine& server, Bytes payload, unsigned) {
    if (payload[0] == kMsgUserauthRequest) let_in(server);
  };
  return script;
}

TEST(HostKeys, a_changed_one_ends_the_connection_before_the_user_is_named) {
  ClientWorld world;
  world.use_folder_for_hosts();
  write_text(world.folder / "known_hosts", line(key_number(0).public_key()));
  bool named = false;
  world.script.on_message = [&](TransportMachine&, Bytes, unsigned) { named = true; };
  world.start();
  ASSERT_TRUE(world.until_ended());
  EXPECT_EQ(world.failure->kind, FailureKind::host_key_changed);
  EXPECT_FALSE(named);
}

TEST(HostKeys, a_changed_one_that_is_let_pass_gets_no_password) {
  ClientWorld world;
  world.use_folder_for_hosts();
  write_text(world.folder / "known_hosts", line(key_number(0).public_key()));
  world.policy.strict = StrictHostKeys::no;
  world.dialog.passwords = {"secret"};
  world.script.on_message = [](TransportMachine& server, Bytes, unsigned) {
    server.send(failure_message(MethodSet{AuthMethod::password, AuthMethod::keyboard_interactive}, false));
  };
  world.start();
  ASSERT_TRUE(world.until_ended());
  EXPECT_EQ(world.failure->kind, FailureKind::permission_denied);
  EXPECT_TRUE(world.dialog.asked.empty());
  EXPECT_NE(world.dialog.shown.find("HAS CHANGED"), std::string::npos);
}

TEST(HostKeys, the_user_decides_about_a_new_one) {
  for (const std::string last : {"no", "yes"}) {
    ClientWorld world;
    world.use_folder_for_hosts();
    world.policy.strict = StrictHostKeys::ask;
    world.dialog.words = {"perhaps", last};
    world.script = lets_everybody_in();
    world.start();
    if (last == "no") {
      ASSERT_TRUE(world.until_ended());
      EXPECT_EQ(world.failure->kind, FailureKind::host_key_declined);
      EXPECT_EQ(read_text(world.folder / "known_hosts"), "");
    } else {
      ASSERT_TRUE(world.until_in()) << world.text();
      ASSERT_TRUE(world.until([&] { return !world.dialog.shown.empty(); }));
      EXPECT_EQ(read_text(world.folder / "known_hosts"), line(shown_key()));
    }
    EXPECT_EQ(world.dialog.asked.size(), 2u);
  }
}

TEST(HostKeys, a_connection_that_ends_leaves_the_question_unanswered_and_harmless) {
  ClientDialog::Words late;
  {
    ClientWorld world;
    class Keeps final : public ClientDialog {
     public:
      explicit Keeps(Words& w) : words(w) {}
      void show(std::string_view) override {}
      void ask_words(std::string_view, Words then) override { words = std::move(then); }
      void ask_passphrase(std::string_view, unsigned, Hidden) override {}
      void ask_password(std::string_view, Hidden) override {}
      void ask_new_password(std::string_view, Hidden) override {}
      void ask_prompts(const PromptSet&, Answers) override {}
      Words& words;
    };
    Keeps keeps(late);
    world.policy.strict = StrictHostKeys::ask;
    world.start_with(keeps);
    ASSERT_TRUE(world.until([&] { return late != nullptr; }));
    // Said behind its NEWKEYS: it can be read once the host is believed.
    world.server()->close(Disconnect::by_application, "tired of waiting");
    world.until([] { return false; }, 50);
    late("yes");
    ASSERT_TRUE(world.until_ended());
    EXPECT_EQ(world.failure->kind, FailureKind::disconnected);
    EXPECT_FALSE(world.logged_in);
    late("yes");
  }
  late("yes");
}

// Another key from the second exchange on.
class TurncoatKeys final : public HostKeySigner {
 public:
  NameList algorithms() const override { return {"ssh-ed25519"}; }
  std::vector<uint8_t> public_blob(std::string_view) const override {
    const Bytes blob = key().public_key().blob();
    return {blob.begin(), blob.end()};
  }
  void sign(std::string_view, std::string_view algorithm, Bytes hash, Signed then) override {
    then(*key().sign(algorithm, hash));
    ++signatures;
  }
  const PrivateKey& key() const { return key_number(signatures == 0 ? 0 : 1); }
  unsigned signatures = 0;
};

TEST(HostKeys, another_one_in_a_rekey_must_be_known) {
  for (const bool known : {false, true}) {
    ClientWorld world;
    world.use_folder_for_hosts();
    write_text(world.folder / "known_hosts",
               line(key_number(0).public_key()) + (known ? line(key_number(1).public_key()) : ""));
    TurncoatKeys keys;
    world.script = lets_everybody_in();
    world.script.host_keys = &keys;
    world.start();
    ASSERT_TRUE(world.until_in()) << world.text();
    world.client_machine()->rekey();
    ASSERT_TRUE(world.until([&] { return world.ended || world.client_machine()->exchanges() == 2; }));
    EXPECT_EQ(world.ended, !known) << world.text();
    if (known) continue;
    EXPECT_EQ(world.failure->kind, FailureKind::host_key_changed);
  }
}

// --- What a server says about its other keys

struct Updates final : HostKeyUpdater {
  void on_host_keys(const HostKeyNews& n) override { news = n; }
  void on_host_keys_refused(std::string_view text) override { why = text; }
  std::optional<HostKeyNews> news;
  std::string why;
};

std::vector<uint8_t> announcement(const std::vector<Bytes>& blobs) {
  WireWriter out;
  for (const Bytes blob : blobs) out.string(blob);
  return global_request(kHostKeysAnnounced, false, out.view());
}

// What a server proves with: the right thing, unless a test changes it.
struct Prover {
  std::function<const PrivateKey&(size_t)> key = [](size_t n) -> const PrivateKey& { return key_number(n + 1); };
  std::function<std::vector<uint8_t>(const TransportMachine&, Bytes)> data =
      [](const TransportMachine& server, Bytes blob) { return host_key_proof_data(server.session_id(), blob); };
  int surplus = 0;
  bool refuses = false;
};

// Shows its own key, announces it with keys 1 and 2, and proves.
struct Announcing {
  explicit Announcing(const Prover& prover = {}) {
    own_blob.assign(own.blob().begin(), own.blob().end());
    world.use_folder_for_hosts();
    write_text(world.folder / "known_hosts", line(own) + line(key_number(9).public_key()));
    world.updater = &updates;
    world.script.on_message = [this, prover](TransportMachine& server, Bytes payload, unsigned) {
      if (payload[0] == kMsgUserauthRequest) return let_in(server);
      const auto request = parse_global_request(payload);
      ASSERT_TRUE(request && request->name == kHostKeysProve);
      ++proofs_wanted;
      if (prover.refuses) return server.send({kMsgRequestFailure});
      WireReader in(request->data);
      WireWriter out;
      out.u8(kMsgRequestSuccess);
      size_t count = 0;
      for (; !in.at_end(); ++count)
        out.string(*prover.key(count).sign("ssh-ed25519", prover.data(server, in.string())));
      for (int i = 0; i < prover.surplus; ++i) out.string(Bytes(own_blob));
      auto answer = out.take();
      if (prover.surplus < 0) answer.resize(answer.size() / 2);
      server.send(std::move(answer));
    };
  }
  void run(const std::vector<Bytes>& blobs) {
    world.start();
    ASSERT_TRUE(world.until_in()) << world.text();
    world.server()->send(announcement(blobs));
    world.until([this] { return updates.news || !updates.why.empty(); }, 300);
    EXPECT_FALSE(world.ended) << "host keys are no reason to end: " << world.text();
  }
  std::vector<Bytes> usual() const {
    return {own.blob(), key_number(1).public_key().blob(), key_number(2).public_key().blob()};
  }

  PublicKey own = shown_key();
  std::vector<uint8_t> own_blob;
  Updates updates;
  unsigned proofs_wanted = 0;
  ClientWorld world;
};

TEST(HostKeyNews, are_told_when_they_are_proven) {
  Announcing a;
  a.run(a.usual());
  ASSERT_TRUE(a.updates.news) << a.updates.why;
  ASSERT_EQ(a.updates.news->fresh.size(), 2u);
  EXPECT_TRUE(a.updates.news->fresh[1] == key_number(2).public_key());
  ASSERT_EQ(a.updates.news->gone.size(), 1u);
  EXPECT_TRUE(a.updates.news->gone[0] == key_number(9).public_key());
  EXPECT_EQ(a.updates.news->announced.size(), 3u);
}

TEST(HostKeyNews, are_refused_with_a_proof_that_is_forged_missing_or_of_something_else) {
  const auto refused = [](const Prover& prover) {
    Announcing a(prover);
    a.run(a.usual());
    EXPECT_EQ(a.proofs_wanted, 1u);
    EXPECT_FALSE(a.updates.news);
    return a.updates.why;
  };
  Prover by_another;
  by_another.key = [](size_t n) -> const PrivateKey& { return key_number(n == 0 ? 1 : 7); };
  EXPECT_NE(refused(by_another), "");
  Prover other_session;
  other_session.data = [](const TransportMachine&, Bytes blob) {
    return host_key_proof_data(std::vector<uint8_t>(32, 1), blob);
  };
  EXPECT_NE(refused(other_session), "");
  Prover other_purpose;
  other_purpose.data = [](const TransportMachine& server, Bytes blob) {
    return WireWriter().string("something-else@openssh.com").string(server.session_id()).string(blob).take();
  };
  EXPECT_NE(refused(other_purpose), "");
  Prover swapped;
  swapped.key = [](size_t n) -> const PrivateKey& { return key_number(2 - n); };
  EXPECT_NE(refused(swapped), "");
  for (const int surplus : {1, -1}) {
    Prover prover;
    prover.surplus = surplus;
    EXPECT_NE(refused(prover), "");
  }
  Prover silent;
  silent.refuses = true;
  EXPECT_EQ(refused(silent), "the server proved none of its host keys");
}

TEST(HostKeyNews, are_not_listened_to_from_a_host_that_was_not_known_before) {
  Announcing a;
  write_text(a.world.folder / "known_hosts", "");
  a.run(a.usual());
  EXPECT_FALSE(a.updates.news);
  EXPECT_EQ(a.updates.why, "");
  EXPECT_EQ(a.proofs_wanted, 0u);
}

TEST(HostKeyNews, are_heard_once) {
  Announcing a;
  a.run({a.own.blob(), key_number(9).public_key().blob()});
  EXPECT_FALSE(a.updates.news) << "nothing is new";
  a.world.server()->send(announcement(a.usual()));
  a.world.until([&] { return a.updates.news.has_value(); }, 100);
  EXPECT_FALSE(a.updates.news);
  EXPECT_EQ(a.proofs_wanted, 0u);
}

TEST(HostKeyNews, of_what_is_gone_need_no_proof) {
  Announcing a;
  a.run({a.own.blob()});
  ASSERT_TRUE(a.updates.news);
  EXPECT_EQ(a.updates.news->gone.size(), 1u);
  EXPECT_EQ(a.proofs_wanted, 0u);
}

TEST(HostKeyNews, are_worthless_when_malformed_doubled_too_many_or_without_the_key_in_use) {
  const std::vector<uint8_t> garbage{0, 0, 0, 4, 'a', 'b'};
  const Bytes one = key_number(1).public_key().blob();
  const std::vector<uint8_t> cut(one.begin(), one.end() - 3);
  const PublicKey own = shown_key();
  for (const auto& blobs :
       {std::vector<Bytes>{own.blob(), one, one}, std::vector<Bytes>{one}, std::vector<Bytes>{own.blob(), cut},
        std::vector<Bytes>(kMaxAnnouncedKeys + 1, Bytes(garbage))}) {
    Announcing a;
    a.run(blobs);
    EXPECT_FALSE(a.updates.news);
    EXPECT_NE(a.updates.why, "");
    EXPECT_EQ(a.proofs_wanted, 0u);
  }
  EXPECT_FALSE(parse_announcement(std::vector<uint8_t>{0, 0, 1, 0, 1}, own.blob()));
}

TEST(HostKeyNews, leave_out_certificates_types_to_come_and_short_keys) {
  Announcing a;
  const auto certificate = WireWriter().string("ssh-ed25519-cert-v01@openssh.com").string("rest").take();
  const auto future = WireWriter().string("ssh-mldsa@openssh.com").string("x").take();
  const auto small = PrivateKey::generate(KeyType::rsa, 1024, {.min_rsa_bits = 1024});
  ASSERT_TRUE(small);
  a.run({certificate, a.own.blob(), future, small->public_key().blob(), key_number(9).public_key().blob(),
         key_number(1).public_key().blob()});
  ASSERT_TRUE(a.updates.news) << a.updates.why;
  EXPECT_EQ(a.updates.news->fresh.size(), 1u);
  EXPECT_TRUE(a.updates.news->gone.empty());
  EXPECT_EQ(a.updates.news->announced.size(), 3u);
}

TEST(HostKeyNews, an_rsa_proof_by_sha1_proves_nothing) {
  const auto rsa = PrivateKey::generate(KeyType::rsa, 2048);
  const std::vector<PublicKey> keys{rsa->public_key()};
  const std::vector<uint8_t> session(32, 5);
  const auto data = host_key_proof_data(session, rsa->public_key().blob());
  for (const auto& [algorithm, good] :
       {std::pair{"rsa-sha2-512", true}, std::pair{"rsa-sha2-256", true}, std::pair{"ssh-rsa", false}}) {
    const auto answer = WireWriter().string(*rsa->sign(algorithm, data)).take();
    EXPECT_EQ(check_proofs(answer, keys, session).has_value(), good) << algorithm;
  }
}

TEST(KnownHostsUpdater, writes_news_by_standing_consent_or_on_the_users_word) {
  for (const std::string word : {"standing", "yes", "no"}) {
    Announcing a;
    const auto policy = std::make_shared<const HostKeyPolicy>(
        HostKeyPolicyConfig{.host = "host", .user_files = {a.world.folder / "known_hosts"}});
    a.world.dialog.words = {word};
    KnownHostsUpdater updater(policy, a.world.pool(), a.world.dialog,
                              word == "standing" ? UpdateConsent::given : UpdateConsent::ask);
    a.world.updater = &updater;
    a.run(a.usual());
    const std::string written = read_text(a.world.folder / "known_hosts");
    const bool learnt = written.find(to_text(key_number(2).public_key(), "")) != std::string::npos;
    const bool forgotten = written.find(to_text(key_number(9).public_key(), "")) == std::string::npos;
    EXPECT_EQ(learnt, word != "no") << written;
    EXPECT_EQ(forgotten, word != "no") << written;
    EXPECT_EQ(a.world.dialog.asked.size(), word == "standing" ? 0u : 1u);
    EXPECT_NE(written.find(to_text(a.own, "")), std::string::npos);
  }
}

}  // namespace
}  // namespace sluice::test
