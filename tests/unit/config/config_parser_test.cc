// The configuration's language: words, ranges, modes, errors.
#include "tests/unit/config/config_world.h"

namespace sluice::test {
namespace {

struct Range {
  const char* platform;
  const char* command;
  uint64_t least, most;
};

// From the inventory; under our own platform, the host's.
const Range kRanges[] = {
    {"sluice", "ssh server rekey-time", 30, 1440},
    {"ios-xr", "ssh server rekey-time", 30, 1440},
    {"sluice", "ssh server rekey-volume", 1024, 4095},
    {"ios-xr", "ssh server rekey-volume", 1024, 4095},
    {"ios-xr", "ssh server rate-limit", 1, 600},
    {"ios", "ssh server rate-limit", 1, 600},
    {"sluice", "ssh server rate-limit", 1, 1536000},
    {"ios-xr", "ssh server session-limit", 1, 1024},
    {"sluice", "ssh server session-limit", 1, 65536},
    {"sluice", "ssh timeout", 5, 120},
    {"ios-xr", "ssh timeout", 5, 120},
    {"ios", "ip ssh time-out", 1, 120},
    {"ios", "ip ssh authentication-retries", 0, 5},
    {"sluice", "ssh server max-auth-limit", 3, 20},
    {"ios-xr", "ssh server max-auth-limit", 3, 20},
    {"sluice", "ssh server dscp", 0, 63},
    {"sluice", "ssh server port", 1, 65535},
    {"ios-xr", "ssh server port", 1, 65535},
    {"sluice", "ssh server tcp-window-scale", 1, 14},
};

TEST(ConfigParser, takes_a_range_from_edge_to_edge_and_nothing_beyond) {
  for (const Range& range : kRanges) {
    const auto line = [&](uint64_t value) {
      return text("platform ", range.platform, "\n", range.command, " ", std::to_string(value), "\n");
    };
    EXPECT_EQ(error_of(line(range.least)), "") << line(range.least);
    EXPECT_EQ(error_of(line(range.most)), "") << line(range.most);
    const std::string named = text("<", std::to_string(range.least), "-", std::to_string(range.most), ">");
    EXPECT_NE(error_of(line(range.most + 1)).find(named), std::string::npos) << error_of(line(range.most + 1));
    if (range.least > 0) {
      EXPECT_NE(error_of(line(range.least - 1)).find("out of range"), std::string::npos) << line(range.least - 1);
    }
  }
}

TEST(ConfigParser, names_line_column_word_and_what_was_expected) {
  const std::string error = error_of("hostname a\n\nssh server rekey-volume 99999\n");
  EXPECT_EQ(error,
            "test.conf:3:25: out of range: \"99999\"; expected <1024-4095> megabytes\n"
            "  ssh server rekey-volume 99999\n"
            "                          ^^^^^");
}

TEST(ConfigParser, refuses_unknown_missing_ambiguous_and_extra_words) {
  EXPECT_NE(error_of("ssh server frobnicate").find("unknown word: \"frobnicate\""), std::string::npos);
  EXPECT_NE(error_of("ssh server algorithms cipher foo").find("expected aes128-gcm@openssh.com, "), std::string::npos);
  EXPECT_NE(error_of("port address 10.0.0.1/8/9").find("expected PREFIX (an address with its prefix, as 192.0.2.1/24"),
            std::string::npos);
  EXPECT_NE(error_of("ssh server rekey-volume").find("a word is missing; expected <1024-4095> megabytes"),
            std::string::npos);
  const std::string ambiguous = error_of("ssh server rekey- 3");
  EXPECT_NE(ambiguous.find("ambiguous word"), std::string::npos) << ambiguous;
  EXPECT_NE(ambiguous.find("rekey-time"), std::string::npos);
  EXPECT_NE(ambiguous.find("rekey-volume"), std::string::npos);
  const std::string extra = error_of("ssh server port 22 23");
  EXPECT_NE(extra.find("too many words: \"23\"; expected end of line"), std::string::npos) << extra;
}

TEST(ConfigParser, takes_words_shortened_to_a_unique_prefix_in_any_case) {
  EXPECT_EQ(config_of("SSH ser rekey-v 2048").rekey.megabytes, 2048u);
  EXPECT_EQ(config_of("ssh server alg ciph aes128-g aes256-ctr").algorithms.ciphers,
            (std::vector<std::string>{"aes128-gcm@openssh.com", "aes256-ctr"}));
  EXPECT_NE(error_of("ssh server algorithms cipher aes128-c").find("aes128-ctr, aes128-cbc"), std::string::npos);
}

TEST(ConfigParser, takes_other_spellings) {
  const auto host_keys = config_of("ssh server algorithms host-key ecdsa-nistp521 dsa").algorithms.host_keys;
  EXPECT_EQ(config_of("ssh server algorithms hostkey ecdsa-sha2-nistp521 ssh-dsa").algorithms.host_keys, host_keys);
  EXPECT_EQ(config_of("ip ssh server algorithm hostkey ecdsa-nistp521 ssh-dss").algorithms.host_keys, host_keys);
  for (const char* line : {"ip domain-name example.org", "domain name example.org", "domain-name example.org"})
    EXPECT_EQ(config_of(line).domain_name, "example.org") << line;
}

TEST(ConfigParser, gives_each_platform_its_defaults_wherever_it_is_named) {
  const ServerConfig ios = config_of("ip ssh version 2\nplatform ios\n");
  EXPECT_EQ(ios.limits.login_timeout_s, 120u);
  EXPECT_EQ(ios.limits.max_auth_tries, 3u);
  EXPECT_FALSE(ios.scp);
  EXPECT_TRUE(config_of("platform ios\nip scp server enable\n").scp);
  const ServerConfig xr = config_of("platform ios-xr");
  EXPECT_EQ(xr.limits.sessions, 64u);
  EXPECT_EQ(xr.limits.rate_per_minute, 60u);
  EXPECT_EQ(xr.limits.login_timeout_s, 30u);
}

TEST(ConfigParser, takes_no_and_default) {
  EXPECT_EQ(
      config_of("ssh server algorithms cipher aes128-ctr\nno ssh server algorithms cipher").algorithms.ciphers.size(),
      0u);
  EXPECT_EQ(config_of("ssh server port 2222\ndefault ssh server port").listen.port, 22u);
  EXPECT_FALSE(config_of("no ip scp server enable").scp);
  EXPECT_TRUE(config_of("no ip scp server enable\ndefault ip scp server enable").scp);
  EXPECT_EQ(config_of("username a\nusername b\nno username a").users.size(), 1u);
  EXPECT_NE(error_of("no username").find("a word is missing"), std::string::npos);
  EXPECT_NE(error_of("no ssh server algorithms").find("a word is missing"), std::string::npos);
}

TEST(ConfigParser, takes_users_with_secrets_of_each_type) {
  const ServerConfig config = config_of(
      "username lab privilege 15 password 0 lab\n"
      "username op secret 7 0822455D0A16\n"
      "username bob secret two words\n"
      "username ann privilege 2\n");
  EXPECT_EQ(config.users.at("lab").privilege, 15u);
  EXPECT_EQ(config.users.at("lab").secret, "lab");
  EXPECT_EQ(config.users.at("bob").secret, "two words");
  EXPECT_EQ(config.users.at("ann").secret, "");
  EXPECT_NE(error_of("username x privilege 16 password 0 y").find("<0-15>"), std::string::npos);
  EXPECT_NE(error_of("username x secret 5 plain").find("crypt(3)"), std::string::npos);
}

constexpr std::string_view kKey =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBPPr5zUKdq5ifoL7ZS3mbmpYqXTuk0lzQ6pNNJ0rXHJ user@host";

TEST(ConfigParser, takes_keys_below_the_pubkey_chain) {
  const std::string text = "ip ssh pubkey-chain\n username bob\n  key-string\n   " + std::string(kKey) +
                           "\n  exit\n  key-hash ssh-rsa 0123456789abcdef0123456789ABCDEF\n username ann\n"
                           "  key-hash ssh-rsa key1\nusername carl privilege 3\n";
  const ServerConfig config = config_of(text);
  EXPECT_EQ(config.users.at("bob").keys, std::vector<std::string>{std::string(kKey)});
  EXPECT_EQ(config.users.at("bob").key_hashes, std::vector<std::string>{"0123456789ABCDEF0123456789ABCDEF"});
  EXPECT_EQ(config.users.at("carl").privilege, 3u);
  const auto users = local_users(config, {});
  ASSERT_TRUE(users.has_value()) << users.error();
  EXPECT_EQ(users->size(), 3u);
  const std::string broken = test::text("ip ssh pubkey-chain\nusername b\nkey-string\nssh-ed25519\n",
                                        kKey.substr(12, 30), "\n", kKey.substr(42), "\nexit\n");
  EXPECT_EQ(config_of(broken).users.at("b").keys, std::vector<std::string>{std::string(kKey)});
  // The bare base64, as people paste it, in lines.
  const std::string bare = test::text("ip ssh pubkey-chain\nusername b\nkey-string\n", kKey.substr(12, 30), "\n",
                                      kKey.substr(42, kKey.rfind(' ') - 42), "\nexit\n");
  EXPECT_EQ(config_of(bare).users.at("b").keys, std::vector<std::string>{std::string(kKey.substr(0, kKey.rfind(' ')))});
  EXPECT_NE(error_of("ip ssh pubkey-chain\nusername b\nkey-string\nnonsense\nexit\n").find("key-string"),
            std::string::npos);
  EXPECT_NE(error_of("ip ssh pubkey-chain\nusername b\nkey-string\nAAAA\n").find("ends inside"), std::string::npos);
}

TEST(ConfigParser, takes_banners_over_several_lines) {
  EXPECT_EQ(config_of("banner login ^CWelcome\n! not a comment\n\nBye^C\nhostname a").banner_login,
            "Welcome\n! not a comment\n\nBye");
  EXPECT_EQ(config_of("banner motd #one#").banner_motd, "one");
  EXPECT_NE(error_of("banner motd \u00e9one\u00e9").find("not ASCII"), std::string::npos);
  EXPECT_NE(error_of("banner motd #one").find("ends inside"), std::string::npos);
}

TEST(ConfigParser, takes_access_lists_and_asks_them) {
  const ServerConfig config = config_of(
      "ipv4 access-list in\n deny ipv4 host 10.0.0.9 any\n permit 10.0.0.0/8\n!\n"
      "ssh server vrf default ipv4 access-list in ipv6 access-list missing\n");
  const auto ask = [&](const char* address) { return admitted(config, "default", *Address::parse(address)); };
  EXPECT_TRUE(ask("10.1.2.3"));
  EXPECT_FALSE(ask("10.0.0.9"));
  EXPECT_FALSE(ask("192.0.2.1"));
  EXPECT_FALSE(ask("2001:db8::1"));
  EXPECT_FALSE(admitted(config, "red", *Address::parse("10.1.2.3")));
  EXPECT_TRUE(admitted(config_of(""), "default", *Address::parse("192.0.2.1")));
  EXPECT_NE(error_of("ipv4 access-list a\npermit 2001:db8::/32\n").find("not an ipv4 source"), std::string::npos);
}

TEST(ConfigParser, survives_hostile_lines) {
  EXPECT_NE(error_of(std::string(100000, 'a')).find("too long"), std::string::npos);
  EXPECT_NE(error_of(std::string_view("host\0name a", 11)).find("control character"), std::string::npos);
  EXPECT_NE(error_of("hostname \xff\xfe").find("not UTF-8"), std::string::npos);
  EXPECT_NE(error_of("hostname \xc0\xaf").find("not UTF-8"), std::string::npos);
  EXPECT_NE(error_of("hostname \x1b[2J").find("control character"), std::string::npos);
  std::string many;
  for (int i = 0; i < 5000; ++i) many.append("nonsense\n");
  EXPECT_EQ(parse(many).errors.size(), kMaxConfigMessages);
  std::string words = "ssh server env-accept";
  for (int i = 0; i < 3000; ++i) words.append(" x");
  EXPECT_EQ(config_of(words).session.environment.size(), 1u);
  EXPECT_EQ(parse("\r\n\t \n!\n").errors.size(), 0u);
}

TEST(RunningConfig, prints_what_differs_in_the_words_of_the_platform) {
  EXPECT_EQ(shown(""), "");
  EXPECT_EQ(shown("platform ios\nssh timeout 30\n"), "platform ios\nip ssh time-out 30\n");
  EXPECT_EQ(shown("platform ios-xr\nip ssh time-out 31\nip ssh version 2"),
            "platform ios-xr\nssh server v2\nssh timeout 31\n");
  EXPECT_EQ(shown("ip ssh time-out 3"), "ip ssh time-out 3\n");
  EXPECT_EQ(shown("no ip scp server enable\nno subsystem sftp\n"), "no subsystem sftp\nno ip scp server enable\n");
}

TEST(RunningConfig, keeps_what_is_below_in_its_place) {
  const std::string text = "ip ssh pubkey-chain\n username bob\n  key-string\n   " + std::string(kKey) + "\n   exit\n";
  EXPECT_EQ(shown(text), "username bob\n" + text);
}

TEST(RunningConfig, hides_secrets_when_asked) {
  const ServerConfig config = config_of("username lab secret 0 hidden");
  EXPECT_EQ(running_config(config, kMachine, {.secrets = false}), "username lab secret 0 <removed>\n");
}

TEST(RunningConfig, parses_back_to_the_same_with_all_defaults) {
  for (const char* platform : {"sluice", "ios", "ios-xr"}) {
    const ServerConfig config = config_of(text("platform ", platform));
    EXPECT_EQ(config_of(running_config(config, kMachine, {.defaults = true})), config) << platform;
  }
}

TEST(RunningConfig, leaves_to_lines_behind_a_file_what_only_they_say) {
  const std::string file = "ssh timeout 60\nssh server listen 192.0.2.1\n",
                    behind = "ssh server port 2222\nno ip scp server enable\n";
  const ServerConfig whole = config_of(file + behind);
  const auto saved = [&](const std::string& changes) {
    return running_config(without_lines_behind(config_of(file + behind + changes), whole, config_of(file)), kMachine);
  };
  EXPECT_EQ(saved(""), shown(file));
  EXPECT_EQ(saved("ssh timeout 90\n"), shown("ssh timeout 90\nssh server listen 192.0.2.1\n"));
  // Who changes what the line says means it.
  EXPECT_EQ(saved("ssh server port 3333\n"), shown(file + "ssh server port 3333\n"));
}

TEST(ConfigDiff, says_what_changed_and_what_waits_for_a_restart) {
  const auto changes = diff(config_of("workers count 2"), config_of("workers count 4\nssh server dscp 8"));
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].setting, "dscp");
  EXPECT_EQ(changes[0].before, "ssh server dscp 16\n");
  EXPECT_EQ(changes[0].after, "ssh server dscp 8\n");
  EXPECT_EQ(changes[0].restart, "");
  EXPECT_EQ(changes[1].setting, "workers");
  EXPECT_NE(changes[1].restart, "");
}

TEST(ConfigParser, tells_the_log_of_an_error_without_what_was_typed) {
  for (const char* line : {"usrname ann secret 0 s3cret", "username ann s3cret", "enable secret 5 s3cret", "s3cret"}) {
    const ParsedConfig parsed = parse(line);
    ASSERT_EQ(parsed.errors.size(), 1u) << line;
    EXPECT_EQ(parsed.errors[0].for_log().find("s3cret"), std::string::npos) << parsed.errors[0].for_log();
    EXPECT_TRUE(parsed.errors[0].for_log().starts_with("test.conf:1:")) << parsed.errors[0].for_log();
    EXPECT_NE(parsed.errors[0].text().find("s3cret"), std::string::npos);
  }
}

}  // namespace
}  // namespace sluice::test
