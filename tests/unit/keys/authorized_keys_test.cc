// authorized_keys: options, quoting, what is refused, and who is admitted.
#include "control/keys/authorized_keys.h"

#include "control/keys/public_key_text.h"
#include "tests/unit/keys/outside.h"

namespace sluice {
namespace {

const PublicKey& some_key() {
  static const auto key = PrivateKey::generate(KeyType::ed25519);
  return key->public_key();
}

std::string line_with(const std::string& options) {
  return options + (options.empty() ? "" : " ") + to_text(some_key(), "me");
}

KeyOptions options_of(const std::string& options) {
  auto key = parse_authorized_key(line_with(options));
  EXPECT_TRUE(key) << options << ": " << key.error();
  if (!key || !*key) return {};
  EXPECT_EQ((*key)->comment, "me");
  EXPECT_EQ((*key)->key, some_key());
  return (*key)->options;
}

std::string refusal_of(const std::string& options) {
  const auto key = parse_authorized_key(line_with(options));
  EXPECT_FALSE(key) << options;
  return key ? "" : key.error();
}

TEST(AuthorizedKeys, read_lines_blank_lines_and_comments) {
  const auto file = AuthorizedKeys::parse("# a comment\n\n   \t\n  " + line_with("") + "\r\n" + line_with("no-pty") +
                                          "\n  # end\n" + line_with(""));
  EXPECT_TRUE(file.refused().empty());
  ASSERT_EQ(file.keys().size(), 3u);
  EXPECT_EQ(file.keys()[0].line, 4u);
  EXPECT_EQ(file.keys()[1].line, 5u);
  EXPECT_FALSE(file.keys()[1].options.pty);
  EXPECT_EQ(file.keys()[2].line, 7u);
}

TEST(AuthorizedKeys, apply_flags_in_order_and_whatever_their_case) {
  EXPECT_TRUE(options_of("").pty);
  const KeyOptions restricted = options_of("restrict,pty,X11-Forwarding");
  EXPECT_TRUE(restricted.restricted);
  EXPECT_TRUE(restricted.pty);
  EXPECT_TRUE(restricted.x11_forwarding);
  EXPECT_FALSE(restricted.port_forwarding);
  EXPECT_FALSE(restricted.agent_forwarding);
  EXPECT_FALSE(restricted.user_rc);
  EXPECT_FALSE(options_of("pty,RESTRICT").pty);
  const KeyOptions none = options_of("no-pty,no-port-forwarding,no-agent-forwarding,no-X11-forwarding,no-user-rc");
  EXPECT_FALSE(none.pty || none.port_forwarding || none.agent_forwarding || none.x11_forwarding || none.user_rc);
  EXPECT_FALSE(options_of("no-touch-required").touch.presence_required);
  EXPECT_TRUE(options_of("verify-required").touch.verification_required);
}

TEST(AuthorizedKeys, dequote_values) {
  EXPECT_EQ(options_of(R"(command="echo \"a, b\" #c")").command, R"(echo "a, b" #c)");
  EXPECT_EQ(options_of(R"(command="a\b")").command, R"(a\b)");
  EXPECT_EQ(options_of(R"(command="")").command, "");
  const KeyOptions both = options_of(R"(environment="A=1",environment="B=x=y z",environment="A=2")");
  ASSERT_EQ(both.environment.size(), 2u);
  EXPECT_EQ(both.environment[0], std::make_pair(std::string("A"), std::string("1")));
  EXPECT_EQ(both.environment[1].second, "x=y z");
}

TEST(AuthorizedKeys, refuse_a_line_with_anything_not_understood) {
  EXPECT_NE(refusal_of("no-such-option").find("unknown option"), std::string::npos);
  for (const char* bad : {"no-pty,",
                          ",no-pty",
                          "no-pty,,pty",
                          "command=ls",
                          "command=\"ls",
                          "command=\"a\",command=\"b\"",
                          "no-pty=\"1\"",
                          "command",
                          "from=\"\"",
                          "from=\"10.0.0.1/8\"",
                          "from=\"10.0.0.0/33\"",
                          "from=\"a,,b\"",
                          "from=\"x/8\"",
                          "from=\"::/129\"",
                          "environment=\"1\"",
                          "environment=\"A-B=1\"",
                          "environment=\"=1\"",
                          "expiry-time=\"2026\"",
                          "expiry-time=\"20261301\"",
                          "tunnel=\"x\"",
                          "tunnel=\"-1\"",
                          "permitopen=\"host\"",
                          "permitopen=\"host:0\"",
                          "permitopen=\"host:65536\"",
                          "permitopen=\"[::1]22\"",
                          "permitlisten=\"x:y\"",
                          "principals=\"\"",
                          "no-pty\"x\"",
                          "ssh-rsa-cert-v01@openssh.com",
                          "zos-key-ring-label=\"x\""}) {
    EXPECT_FALSE(refusal_of(bad).empty()) << bad;
  }
  const auto file =
      AuthorizedKeys::parse("no-such-option " + line_with("") + "\n" + line_with("") + "\nssh-ed25519 AAAA\n");
  ASSERT_EQ(file.refused().size(), 2u);
  EXPECT_EQ(file.refused()[0].line, 1u);
  EXPECT_EQ(file.refused()[1].line, 3u);
  EXPECT_EQ(file.keys().size(), 1u);
}

TEST(AuthorizedKeys, know_times_of_expiry) {
  EXPECT_EQ(parse_expiry_time("19700102Z"), 86400);
  EXPECT_EQ(parse_expiry_time("202607301234Z"), 1785414840);
  EXPECT_EQ(parse_expiry_time("20260730123456Z"), 1785414896);
  EXPECT_TRUE(parse_expiry_time("20260730"));
  for (const char* bad : {"", "Z", "2026073", "20260730Z0", "20260231Z", "202607302460Z", "202607302400Z",
                          "20260730123460Z", "2026-7-30", "20260730z", "99999999Z", "2026073012345Z"})
    EXPECT_FALSE(parse_expiry_time(bad)) << bad;
  EXPECT_EQ(options_of("expiry-time=\"20260730Z\",expiry-time=\"20250730Z\"").expires_at,
            parse_expiry_time("20250730Z"));
}

TEST(AuthorizedKeys, match_addresses_names_ranges_and_negation) {
  const auto admits = [](const char* list, std::string_view host, std::string_view address) {
    const auto sources = SourceList::parse(list);
    EXPECT_TRUE(sources) << list;
    return sources && sources->admits(host, address);
  };
  EXPECT_TRUE(admits("10.0.0.0/8", "", "10.1.2.3"));
  EXPECT_FALSE(admits("10.0.0.0/8", "", "11.1.2.3"));
  EXPECT_TRUE(admits("10.0.0.0/8", "", "::ffff:10.1.2.3"));
  EXPECT_FALSE(admits("::/0", "", "10.1.2.3"));
  EXPECT_TRUE(admits("::/0", "", "2001:db8::1"));
  EXPECT_TRUE(admits("0.0.0.0/0", "", "10.1.2.3"));
  EXPECT_TRUE(admits("2001:db8::/33", "", "2001:db8:7fff::1"));
  EXPECT_FALSE(admits("2001:db8::/33", "", "2001:db8:8000::1"));
  EXPECT_TRUE(admits("2001:DB8::1", "", "2001:db8:0::1"));
  EXPECT_TRUE(admits("fe80::1", "", "fe80::1%eth0"));
  EXPECT_TRUE(admits("*.example.com", "A.Example.COM", "10.0.0.1"));
  EXPECT_FALSE(admits("*.example.com", "", "10.0.0.1"));
  EXPECT_TRUE(admits("10.0.?.1", "", "10.0.7.1"));
  EXPECT_FALSE(admits("*,!10.0.0.0/24", "x", "10.0.0.9"));
  EXPECT_TRUE(admits("*,!10.0.0.0/24", "x", "10.0.1.9"));
  EXPECT_FALSE(admits("!10.0.0.9", "", "10.0.0.1"));
  EXPECT_FALSE(admits("!evil.example,*", "evil.example", "10.0.0.1"));
}

TEST(AuthorizedKeys, patterns_take_bounded_time) {
  EXPECT_TRUE(matches_pattern("", "*"));
  EXPECT_TRUE(matches_pattern("abc", "a*c"));
  EXPECT_TRUE(matches_pattern("abcabd", "a*bd"));
  EXPECT_FALSE(matches_pattern("abc", "a?"));
  EXPECT_FALSE(matches_pattern("", "?"));
  std::string pattern;
  for (int i = 0; i < 1000; ++i) pattern += "a*";
  EXPECT_FALSE(matches_pattern(std::string(5000, 'a'), pattern + "b"));
}

TEST(AuthorizedKeys, bound_forwarding_to_what_is_listed) {
  const KeyOptions any = options_of("");
  EXPECT_TRUE(any.may_open("x", 1));
  EXPECT_TRUE(any.may_listen("x", 1));
  const KeyOptions o = options_of(R"(permitopen="db.example:5432,[::1]:*",permitlisten="8080,local*:9090")");
  EXPECT_TRUE(o.may_open("DB.example", 5432));
  EXPECT_FALSE(o.may_open("db.example", 5433));
  EXPECT_TRUE(o.may_open("::1", 7));
  EXPECT_FALSE(o.may_open("other", 5432));
  EXPECT_TRUE(o.may_listen("anything", 8080));
  EXPECT_TRUE(o.may_listen("localhost", 9090));
  EXPECT_FALSE(o.may_listen("0.0.0.0", 9090));
  EXPECT_FALSE(options_of("no-port-forwarding,permitopen=\"a:1\"").may_open("a", 1));
  EXPECT_EQ(options_of("tunnel=\"3\"").tunnel, 3u);
  EXPECT_EQ(options_of("tunnel=\"any\"").tunnel, kAnyTunnel);
}

TEST(AuthorizedKeys, admit_by_the_first_line_whose_conditions_are_met) {
  const auto file = AuthorizedKeys::parse(
      line_with("cert-authority,principals=\"a,b\"") + "\n" + line_with("expiry-time=\"20200101Z\"") + "\n" +
      line_with("from=\"10.0.0.0/8\"") + "\n" + line_with("from=\"*.example\",no-pty"));
  ASSERT_EQ(file.keys().size(), 4u);
  const int64_t now = 1700000000;
  EXPECT_EQ(file.admit(some_key(), now, "", "10.9.9.9").key, &file.keys()[2]);
  EXPECT_EQ(file.admit(some_key(), now, "a.example", "11.9.9.9").key, &file.keys()[3]);
  const Admission refused = file.admit(some_key(), now, "", "11.9.9.9");
  EXPECT_EQ(refused.key, nullptr);
  EXPECT_NE(refused.reason.find("line 4"), std::string::npos);
  const auto authority = AuthorizedKeys::parse(line_with("cert-authority"));
  EXPECT_EQ(authority.admit(some_key(), now, "", "10.9.9.9").key, nullptr);
  const auto other = PrivateKey::generate(KeyType::ed25519);
  EXPECT_TRUE(file.admit(other->public_key(), now, "", "10.9.9.9").reason.empty());
}

TEST(AuthorizedKeys, with_any_byte_cut_or_bent_never_harm) {
  const std::string line =
      line_with(R"(restrict,from="10.0.0.0/8,!h*",command="a \" b",environment="A=1",expiry-time="20300101Z",)"
                R"(permitopen="[::1]:5,a:*",permitlisten="1",principals="p",tunnel="1",cert-authority)") +
      "\n# x\n";
  ASSERT_EQ(AuthorizedKeys::parse(line).keys().size(), 1u);
  test::for_each_damage(bytes_of(line), 1, [](Bytes bent) {
    const auto file = AuthorizedKeys::parse(text_of(bent));
    for (const AuthorizedKey& key : file.keys()) {
      (void)file.admit(key.key, 0, "h", "10.0.0.1");
      (void)key.options.may_open("a", 5);
      (void)key.options.may_listen("a", 5);
    }
  });
}

TEST(AuthorizedKeys, are_loaded_only_from_where_nobody_else_can_write) {
  test::TemporaryFolder home;
  const auto permit = [](const std::string& path, unsigned mode) {
    std::filesystem::permissions(path, std::filesystem::perms(mode));
  };
  std::filesystem::create_directory(home / ".ssh");
  const std::string path = home / ".ssh/authorized_keys";
  test::write_text(path, line_with("") + "\n");
  permit(path, 0644);
  permit(home / ".ssh", 0700);
  const auto load = [&] { return AuthorizedKeys::load(path, home.path(), ::geteuid()); };
  ASSERT_TRUE(load()) << load().error();
  EXPECT_EQ(load()->keys().size(), 1u);
  permit(path, 0664);
  EXPECT_FALSE(load());
  permit(path, 0644);
  permit(home / ".ssh", 0770);
  EXPECT_FALSE(load());
  permit(home / ".ssh", 0755);
  EXPECT_TRUE(load());
  permit(home.path(), 0777);
  EXPECT_FALSE(load());
  permit(home.path(), 0700);
  // Another user's file, unless it is root's.
  EXPECT_EQ(AuthorizedKeys::load(path, home.path(), 12345).has_value(), ::geteuid() == 0);
  EXPECT_FALSE(AuthorizedKeys::load(home / "absent", home.path(), ::geteuid()));
}

TEST(AuthorizedKeys, are_bounded) {
  EXPECT_FALSE(parse_authorized_key(std::string(kMaxAuthorizedKeysLine + 1, ' ')));
  EXPECT_EQ(AuthorizedKeys::parse(std::string(kMaxAuthorizedKeysFile + 1, '\n')).refused().size(), 1u);
  std::string many;
  for (size_t i = 0; i <= kMaxAuthorizedKeys + 5; ++i) many += "x\n";
  EXPECT_EQ(AuthorizedKeys::parse(many).refused().size(), kMaxAuthorizedKeys + 1);
}

}  // namespace
}  // namespace sluice
