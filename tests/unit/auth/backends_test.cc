// Back ends: the policy as a function, local users, and as root the system's users and PAM with an account of our own.
#include <pwd.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>

#include "control/auth/backends/acting_as.h"
#include "control/auth/backends/hashed_secret.h"
#include "control/auth/backends/local_users.h"
#include "control/auth/backends/pam_login.h"
#include "control/auth/backends/system_users.h"
#include "control/auth/client_keys.h"
#include "control/keys/fingerprint.h"
#include "control/keys/public_key_text.h"
#include "tests/unit/auth/auth_world.h"
#include "tests/unit/keys/outside.h"

namespace sluice {
namespace {

using test::key_of;
using test::run;
using test::secret;
using test::TemporaryFolder;
using test::write_text;

const LoginSource kHere{"192.0.2.1", "client.example"};

AccountFacts ann() { return {"ann", 1000, {"ann", "staff"}, "/bin/sh", true, {}, false, false}; }

TEST(HashedSecret, meets_only_the_right_password_and_never_a_locked_hash) {
  const std::string hash = hash_secret(secret("right"));
  const std::string fake = fake_hash_like(hash);
  ASSERT_FALSE(hash.empty());
  EXPECT_EQ(fake.substr(0, 3), hash.substr(0, 3));
  EXPECT_TRUE(matches_hashed_secret(secret("right"), hash, fake));
  EXPECT_FALSE(matches_hashed_secret(secret("wrong"), hash, fake));
  EXPECT_FALSE(matches_hashed_secret(secret(std::string_view("right\0x", 7)), hash, fake));
  for (const std::string& locked : {std::string("!") + hash, std::string("*"), std::string(), std::string("!"),
                                    std::string("x"), std::string("$6$nonsense")})
    EXPECT_FALSE(matches_hashed_secret(secret("right"), locked, fake)) << locked;
  EXPECT_TRUE(matches_hashed_secret(
      secret("lab"), "$1$abcdefgh$" + run("openssl passwd -1 -salt abcdefgh lab").output.substr(12, 22), fake));
}

TEST(LoginPolicy, refuses_locked_expired_and_shell_less_accounts) {
  const LoginPolicy policy;
  EXPECT_FALSE(refusal_of(policy, ann(), kHere));
  AccountFacts facts = ann();
  facts.locked = true;
  EXPECT_TRUE(refusal_of(policy, facts, kHere));
  facts = ann();
  facts.expired = true;
  EXPECT_TRUE(refusal_of(policy, facts, kHere));
  facts = ann();
  facts.shell_runs = false;
  EXPECT_TRUE(refusal_of(policy, facts, kHere));
  facts = ann();
}

TEST(LoginPolicy, shuts_out_all_but_root_where_there_is_a_nologin_file) {
  AccountFacts facts = ann();
  EXPECT_FALSE(is_shut_out(facts));
  facts.nologin = "";
  EXPECT_TRUE(is_shut_out(facts));
  facts.uid = 0;
  EXPECT_FALSE(is_shut_out(facts));
}

TEST(LoginPolicy, asks_deny_before_allow_and_users_before_groups) {
  const auto allowed = [](LoginPolicy policy) { return !refusal_of(policy, ann(), kHere); };
  EXPECT_FALSE(allowed({.deny_users = {"an?"}}));
  EXPECT_TRUE(allowed({.deny_users = {"bob", "ann@10.0.0.0/8"}}));
  EXPECT_FALSE(allowed({.deny_users = {"ann@192.0.2.0/24"}}));
  EXPECT_FALSE(allowed({.deny_users = {"ann@*.EXAMPLE"}}));
  EXPECT_TRUE(allowed({.allow_users = {"ann"}}));
  EXPECT_FALSE(allowed({.allow_users = {"bob"}}));
  EXPECT_FALSE(allowed({.allow_users = {"ann"}, .deny_users = {"ann"}}));
  EXPECT_TRUE(allowed({.allow_groups = {"staff"}}));
  EXPECT_FALSE(allowed({.allow_groups = {"wheel"}}));
  EXPECT_FALSE(allowed({.allow_users = {"ann"}, .deny_groups = {"st*"}}));
}

TEST(LoginPolicy, lets_root_in_as_configured) {
  AccountFacts root = ann();
  root.uid = 0;
  EXPECT_TRUE(refusal_of({.root_login = RootLogin::no}, root, kHere));
  EXPECT_FALSE(refusal_of({.root_login = RootLogin::yes}, root, kHere));
  EXPECT_TRUE(root_may_use(RootLogin::prohibit_password, AuthMethod::publickey));
  EXPECT_FALSE(root_may_use(RootLogin::prohibit_password, AuthMethod::password));
  EXPECT_FALSE(root_may_use(RootLogin::prohibit_password, AuthMethod::keyboard_interactive));
  EXPECT_TRUE(root_may_use(RootLogin::yes, AuthMethod::password));
  EXPECT_FALSE(root_may_use(RootLogin::no, AuthMethod::publickey));
  EXPECT_TRUE(root_may_use(RootLogin::forced_commands_only, AuthMethod::publickey));
  EXPECT_FALSE(root_may_use(RootLogin::forced_commands_only, AuthMethod::password));
  Permit with_command;
  with_command.command = "backup";
  EXPECT_FALSE(root_may_enter(RootLogin::forced_commands_only, Permit{}));
  EXPECT_TRUE(root_may_enter(RootLogin::forced_commands_only, with_command));
  EXPECT_TRUE(root_may_enter(RootLogin::prohibit_password, Permit{}));
}

TEST(LocalUsers, know_keys_by_blob_and_rsa_keys_by_hash) {
  LocalUsers users;
  LocalUser user = test::local_user("lab", "", {key_of(KeyType::ed25519).public_key()});
  user.privilege = 15;
  user.key_hashes.push_back(key_hash(key_of(KeyType::rsa).public_key()));
  user.key_hashes.push_back(key_hash(key_of(KeyType::ecdsa_nistp256).public_key()));
  ASSERT_TRUE(users.put(user));
  const LoginAnswer answer = users.judge_key("lab", key_of(KeyType::ed25519).public_key(), kHere);
  ASSERT_EQ(answer.outcome, LoginOutcome::accepted);
  EXPECT_EQ(answer.permit->privilege, 15);
  EXPECT_EQ(users.judge_key("lab", key_of(KeyType::rsa).public_key(), kHere).outcome, LoginOutcome::accepted);
  EXPECT_EQ(users.judge_key("lab", key_of(KeyType::ecdsa_nistp256).public_key(), kHere).outcome, LoginOutcome::refused);
  EXPECT_EQ(users.judge_key("Lab", key_of(KeyType::rsa).public_key(), kHere).outcome, LoginOutcome::refused);
  EXPECT_EQ(users.check_password("lab", secret(""), kHere).outcome, LoginOutcome::refused);
  EXPECT_TRUE(users.remove("lab"));
  EXPECT_FALSE(users.knows("lab"));
  EXPECT_FALSE(users.put(test::local_user("a b", "")));
  EXPECT_FALSE(users.put(test::local_user("", "")));
  user.privilege = 16;
  EXPECT_FALSE(users.put(user));
}

TEST(LocalUsers, keep_an_old_password_when_the_new_one_cannot_be_kept) {
  LocalUsers users([](const std::string&, const std::string&) { return false; });
  ASSERT_TRUE(users.put(test::local_user("lab", "old")));
  EXPECT_EQ(users.change_password("lab", secret("old"), secret("new"), kHere).outcome, LoginOutcome::refused);
  EXPECT_EQ(users.check_password("lab", secret("old"), kHere).outcome, LoginOutcome::accepted);
}

TEST(Permit, narrows_to_the_stricter_of_two_and_survives_the_wire) {
  Permit one;
  one.user = "ann";
  one.methods = "publickey";
  one.permit_open = {{"a", 1}, {"b", 2}};
  one.environment = {{"A", "1"}};
  Permit two = one;
  two.methods = "password";
  two.pty = false;
  two.command = "ls";
  two.permit_open = {{"b", 2}, {"c", 3}};
  ASSERT_TRUE(one.narrow(two));
  EXPECT_EQ(one.permit_open, (std::vector<ForwardTarget>{{"b", 2}}));
  EXPECT_FALSE(one.pty);
  EXPECT_EQ(one.methods, "publickey,password");
  two.permit_open = {{"z", 9}};
  ASSERT_TRUE(one.narrow(two));
  EXPECT_FALSE(one.port_forwarding);
  WireWriter out;
  one.write(out);
  WireReader in(out.view());
  const auto back = Permit::read(in);
  ASSERT_TRUE(back && in.at_end());
  EXPECT_EQ(back->command, "ls");
  EXPECT_EQ(back->methods, one.methods);
  two.command = "rm";
  EXPECT_FALSE(one.narrow(two));
  Permit big = one;
  big.command = std::string(kMaxPermit, 'x');
  EXPECT_FALSE(big.fits());
  for (size_t n = 0; n < out.size(); ++n) {
    WireReader cut(out.view().first(n));
    EXPECT_FALSE(Permit::read(cut)) << n;
  }
}

TEST(ClientKeys, read_public_halves_first_and_ask_for_the_passphrase_when_a_signature_is_wanted) {
  TemporaryFolder folder;
  const KeySealing sealing{secret("phrase"), 4, "aes256-ctr"};
  ASSERT_TRUE(save_private_key(folder / "sealed", key_of(KeyType::ed25519), "me", &sealing));
  ASSERT_TRUE(save_private_key(folder / "open", key_of(KeyType::ecdsa_nistp256), "me", nullptr));
  ClientKeys keys({.files = {folder / "sealed", folder / "open", folder / "missing"}}, std::nullopt);
  ASSERT_EQ(keys.identities().size(), 2u);
  EXPECT_TRUE(keys.problems().empty());
  const auto data = test::some_hash(40);
  EXPECT_EQ(keys.sign(0, "ssh-ed25519", data, std::nullopt).wants_passphrase, folder / "sealed");
  const auto wrong = keys.sign(0, "ssh-ed25519", data, secret("wrong"));
  EXPECT_EQ(wrong.wants_passphrase, folder / "sealed");
  EXPECT_FALSE(wrong.signature);
  const auto right = keys.sign(0, "ssh-ed25519", data, secret("phrase"));
  ASSERT_TRUE(right.signature);
  EXPECT_TRUE(key_of(KeyType::ed25519).public_key().verify(*right.signature, "ssh-ed25519", data));
  EXPECT_TRUE(keys.sign(0, "ssh-ed25519", data, std::nullopt).signature) << "once opened it stays open";
  EXPECT_TRUE(keys.sign(1, "ecdsa-sha2-nistp256", data, std::nullopt).signature);
  EXPECT_TRUE(keys.problems().empty());
}

TEST(SystemUsers, as_an_ordinary_user_know_nobody_else_and_no_password) {
  const auto refuses = [](const char* user) {
    SystemUsers users({});
    return users.judge_key(user, key_of(KeyType::ed25519).public_key(), kHere).reason == "unknown user" &&
           users.check_password(user, secret("x"), kHere).outcome == LoginOutcome::refused && !users.uses_pam();
  };
  if (::geteuid() != 0) {
    EXPECT_TRUE(refuses("root"));
    return;
  }
  (void)key_of(KeyType::ed25519);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(::setgid(65534) == 0 && ::setuid(65534) == 0 && refuses("root") ? 0 : 1);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

// An account that exists as long as the test. Only root can make one.
class SystemUsersTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to make an account";
    if (run("command -v useradd").status != 0) GTEST_SKIP() << "needs useradd";
    name_ = "slc" + std::to_string(::getpid() % 100000);
    home_ = folder_ / "home";
    ::chmod(folder_.path().c_str(), 0755);
    if (run("useradd -M -d " + home_ + " -s /bin/sh " + name_).status != 0) GTEST_SKIP() << "useradd failed";
    made_ = true;
    const std::string key = to_text(key_of(KeyType::ed25519).public_key(), "me");
    run("mkdir -p " + home_ + "/.ssh && chmod 755 " + home_ + " && chmod 700 " + home_ + "/.ssh");
    write_keys("permitopen=\"db:5432\",no-pty " + key + "\n");
    set_password("pw");
  }
  void TearDown() override {
    if (made_) run("userdel " + name_);
  }

  void write_keys(const std::string& text) {
    write_text(home_ + "/.ssh/authorized_keys", text);
    run("chmod 600 " + home_ + "/.ssh/authorized_keys; chown -R " + name_ + ": " + home_);
  }
  void set_password(const std::string& password) { run("usermod -p '" + hash_secret(secret(password)) + "' " + name_); }
  LoginOutcome by_key(SystemUsersConfig config = {}) {
    SystemUsers users(std::move(config));
    return users.judge_key(name_, key_of(KeyType::ed25519).public_key(), kHere).outcome;
  }
  LoginOutcome by_password(const std::string& password, SystemUsersConfig config = {}) {
    SystemUsers users(std::move(config));
    return users.check_password(name_, secret(password), kHere).outcome;
  }
  SystemUsersConfig pam_config(const std::string& stack) {
    write_text(folder_ / "sluice-test", stack);
    SystemUsersConfig config;
    config.pam = {true, "sluice-test", folder_.path()};
    return config;
  }

  TemporaryFolder folder_;
  std::string name_, home_;
  bool made_ = false;
};

TEST_F(SystemUsersTest, take_the_keys_of_the_account_with_their_options) {
  SystemUsers users({});
  const LoginAnswer answer = users.judge_key(name_, key_of(KeyType::ed25519).public_key(), kHere);
  ASSERT_EQ(answer.outcome, LoginOutcome::accepted) << answer.reason;
  EXPECT_TRUE(answer.permit->system_account);
  EXPECT_EQ(answer.permit->home, home_);
  EXPECT_FALSE(answer.permit->pty);
  EXPECT_EQ(answer.permit->permit_open, (std::vector<ForwardTarget>{{"db", 5432}}));
  EXPECT_EQ(::geteuid(), 0u);
  EXPECT_EQ(users.judge_key(name_, key_of(KeyType::rsa).public_key(), kHere).outcome, LoginOutcome::refused);
  EXPECT_EQ(users.judge_key("nobody-here", key_of(KeyType::rsa).public_key(), kHere).outcome, LoginOutcome::refused);
}

TEST_F(SystemUsersTest, read_the_file_as_the_user_and_not_as_root) {
  run("chown root: " + home_ + "/.ssh && chmod 700 " + home_ + "/.ssh");
  EXPECT_EQ(by_key(), LoginOutcome::refused);
  write_keys(to_text(key_of(KeyType::ed25519).public_key(), ""));
  // A link to what only root may read must not show it.
  run("cp " + home_ + "/.ssh/authorized_keys " + (folder_ / "secret") + " && chmod 600 " + (folder_ / "secret"));
  run("ln -sf " + (folder_ / "secret") + " " + home_ + "/.ssh/authorized_keys");
  EXPECT_EQ(by_key(), LoginOutcome::refused);
}

TEST_F(SystemUsersTest, refuse_files_and_folders_that_others_can_write) {
  run("chmod 666 " + home_ + "/.ssh/authorized_keys");
  EXPECT_EQ(by_key(), LoginOutcome::refused);
  SystemUsersConfig lax;
  lax.policy.strict_modes = false;
  EXPECT_EQ(by_key(lax), LoginOutcome::accepted);
  run("chmod 600 " + home_ + "/.ssh/authorized_keys; chmod 777 " + home_ + "/.ssh");
  EXPECT_EQ(by_key(), LoginOutcome::refused);
}

TEST_F(SystemUsersTest, refuse_authorities_expired_keys_and_other_addresses) {
  const std::string key = to_text(key_of(KeyType::ed25519).public_key(), "");
  for (const char* options : {"cert-authority ", "expiry-time=\"20200101Z\" ", "from=\"10.0.0.0/8\" "}) {
    write_keys(options + key + "\n");
    EXPECT_EQ(by_key(), LoginOutcome::refused) << options;
  }
  write_keys("from=\"192.0.2.0/24\" " + key + "\n");
  EXPECT_EQ(by_key(), LoginOutcome::accepted);
}

TEST_F(SystemUsersTest, check_passwords_and_the_state_of_the_account) {
  EXPECT_EQ(by_password("pw"), LoginOutcome::accepted);
  EXPECT_EQ(by_password("no"), LoginOutcome::refused);
  run("chage -d 0 " + name_);
  EXPECT_EQ(by_password("pw"), LoginOutcome::refused);
  EXPECT_EQ(by_key(), LoginOutcome::accepted);
  run("chage -d -1 " + name_ + "; chage -E 1 " + name_);
  EXPECT_EQ(by_key(), LoginOutcome::refused);
  run("chage -E 0 " + name_);
  EXPECT_EQ(by_key(), LoginOutcome::refused);
  run("chage -E -1 " + name_);
  EXPECT_EQ(by_key(), LoginOutcome::accepted);
  run("usermod -L " + name_);
  EXPECT_EQ(by_key(), LoginOutcome::refused);
  EXPECT_EQ(by_password("pw"), LoginOutcome::refused);
  run("usermod -U " + name_ + "; usermod -s /nonexistent/shell " + name_);
  EXPECT_EQ(by_key(), LoginOutcome::refused);
  run("usermod -s /bin/sh " + name_ + "; usermod -p '*' " + name_);
  EXPECT_EQ(by_key(), LoginOutcome::accepted);
  EXPECT_EQ(by_password("*"), LoginOutcome::refused);
  SystemUsersConfig closed;
  closed.policy.nologin_path = "/etc/passwd";
  EXPECT_EQ(by_key(closed), LoginOutcome::shut_out);
  EXPECT_EQ(by_password("no", closed), LoginOutcome::refused);
}

TEST_F(SystemUsersTest, let_pam_judge_passwords_and_accounts) {
  if (!pam_available()) GTEST_SKIP() << "built without PAM";
  const std::string unix = "auth required pam_unix.so\naccount required pam_unix.so\npassword required pam_unix.so\n";
  EXPECT_EQ(by_password("pw", pam_config(unix)), LoginOutcome::accepted);
  EXPECT_EQ(by_password("no", pam_config(unix)), LoginOutcome::refused);
  run("chage -d 0 " + name_);
  EXPECT_EQ(by_password("pw", pam_config(unix)), LoginOutcome::change_password);
  SystemUsers users(pam_config(unix));
  EXPECT_EQ(users.change_password(name_, secret("pw"), secret("An0ther-long.one"), kHere).outcome,
            LoginOutcome::accepted);
  EXPECT_EQ(by_password("An0ther-long.one", pam_config(unix)), LoginOutcome::accepted);
  EXPECT_EQ(by_key(pam_config("account required pam_deny.so\n")), LoginOutcome::shut_out);
  EXPECT_EQ(by_key(pam_config("account required pam_permit.so\n")), LoginOutcome::accepted);
  // PAM would let anybody in; the policy does not.
  SystemUsersConfig open = pam_config("auth required pam_permit.so\naccount required pam_permit.so\n");
  EXPECT_EQ(by_password("whatever", open), LoginOutcome::accepted);
  open.policy.deny_users = {name_};
  EXPECT_EQ(by_password("whatever", open), LoginOutcome::refused);
  SystemUsers unknown(open);
  EXPECT_EQ(unknown.check_password("nobody-here", secret("x"), kHere).outcome, LoginOutcome::refused);
}

TEST_F(SystemUsersTest, hold_a_dialogue_with_pam_and_drop_it) {
  if (!pam_available()) GTEST_SKIP() << "built without PAM";
  SystemUsers users(pam_config("auth required pam_unix.so\naccount required pam_unix.so\n"));
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<LoginAnswer> answers;
  const LoginSink sink = [&](LoginAnswer answer) {
    const std::lock_guard lock(mutex);
    answers.push_back(std::move(answer));
    changed.notify_all();
  };
  const auto wait_for = [&](size_t count) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(20), [&] { return answers.size() >= count; });
  };
  for (const char* password : {"pw", "no"}) {
    answers.clear();
    const auto dialogue = users.converse(name_, kHere);
    dialogue->begin(sink);
    ASSERT_TRUE(wait_for(1));
    ASSERT_EQ(answers[0].outcome, LoginOutcome::prompts);
    ASSERT_EQ(answers[0].prompts.prompts.size(), 1u);
    EXPECT_FALSE(answers[0].prompts.prompts[0].echo);
    std::vector<Secret> given;
    given.push_back(secret(password));
    dialogue->answer(std::move(given), sink);
    ASSERT_TRUE(wait_for(2));
    EXPECT_EQ(answers[1].outcome == LoginOutcome::accepted, std::string(password) == "pw");
  }
  answers.clear();
  auto dropped = users.converse(name_, kHere);
  dropped->begin(sink);
  ASSERT_TRUE(wait_for(1));
  dropped.reset();
}

TEST_F(SystemUsersTest, hold_a_few_dialogues_with_one_source_and_others_beside) {
  if (!pam_available()) GTEST_SKIP() << "built without PAM";
  SystemUsers users(pam_config("auth required pam_unix.so\naccount required pam_unix.so\n"));
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<LoginOutcome> outcome;
  std::vector<std::shared_ptr<Conversation>> open;
  const auto begin_from = [&](const std::string& address) {
    outcome.reset();
    open.push_back(users.converse(name_, LoginSource{address, ""}));
    open.back()->begin([&](LoginAnswer answer) {
      const std::lock_guard lock(mutex);
      outcome = answer.outcome;
      changed.notify_all();
    });
    std::unique_lock lock(mutex);
    changed.wait_for(lock, std::chrono::seconds(30), [&] { return outcome.has_value(); });
    return outcome;
  };
  for (unsigned i = 0; i < kMaxPamDialoguesOfSource; ++i)
    ASSERT_EQ(begin_from("2001:db8::" + std::to_string(i + 1)), LoginOutcome::prompts);
  // The same /64.
  EXPECT_EQ(begin_from("2001:db8::ffff"), LoginOutcome::refused);
  EXPECT_EQ(begin_from("2001:db8:0:1::1"), LoginOutcome::prompts);
  EXPECT_EQ(begin_from("192.0.2.1"), LoginOutcome::prompts);
  open.clear();
  // Dropped ones make room, as soon as their threads have seen it.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (begin_from("2001:db8::1") != LoginOutcome::prompts && std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  EXPECT_EQ(outcome, LoginOutcome::prompts);
  open.clear();
}

TEST(HashedSecret, tells_hashes_that_cost_the_same) {
  EXPECT_EQ(method_and_cost("$6$salt$hash"), "$6$");
  EXPECT_EQ(method_and_cost("$6$rounds=9000$salt$hash"), "$6$rounds=9000$");
  EXPECT_EQ(method_and_cost("$y$j9T$salt$hash"), "$y$j9T$");
  EXPECT_EQ(method_and_cost("$2b$12$saltandhash"), "$2b$12$");
  EXPECT_EQ(method_and_cost("$1$salt$hash"), "$1$");
  EXPECT_EQ(method_and_cost("abJnggxhB/yWI"), "");
  EXPECT_EQ(method_and_cost("$6"), "");
}

}  // namespace
}  // namespace sluice
