// Configurations as the routers' guides give them: each is taken, and shown back as the same lines. And the edges of
// every range of the table.
#include <set>

#include "tests/unit/config/config_world.h"

namespace sluice::test {
namespace {

constexpr std::string_view kRsaKey =
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC0fvkZETipZrn2wVqxEsArKYLI5Hh7Uf0Cr4yuFm5SxvTSdXj4n4HDHzF1/IRt"
    "gAOGVWJFECJC3mQrPp6FdSnNDU/m1IeZWjGm4ChpDrKbXMn3oNmn01Mou1rxDgnNVtqeJKLB0IInTkf0uogRpwUyv5OqY3roFCPn"
    "Uykmj2H3zHwCQ776rCPwPRmG3LhV8n2m7tOokGrr5qqhzZq84IzzNHVNbYdIECvOvhjhxcU+nMY/s7QHNf8iFLU9E8rLJYd6yfwD"
    "e5s6HMTyFnXV+wj95i1q2LauQuRzQid492d+1zUW0hTpA5g6m9sdAtAGtNpvnsNMdvJakfnhfINBM7ZF lab@host";

struct Example {
  std::string_view lines;
  // As running-config prints them; empty: as they are.
  std::string_view shown = {};
};

// With the device's platform in front.
const Example kIosExamples[] = {
    {"hostname cisco7200\nip domain-name example.com\nip ssh version 1\nip ssh time-out 12\nip ssh "
     "authentication-retries 5\n",
     "hostname cisco7200\nip domain-name example.com\nip ssh version 1\nip ssh time-out 12\nip ssh "
     "authentication-retries "
     "5\n"},
    {"ip ssh version 2\n"},
    {"no ip ssh version\n", " "},
    {"ip ssh rsa keypair-name sshkeys\nip ssh time-out 12\nip ssh version 2\n",
     "ip ssh version 2\nip ssh rsa keypair-name sshkeys\nip ssh time-out 12\n"},
    {"aaa new-model\naaa authentication login default local\naaa authorization exec default local\nusername samplename "
     "privilege 15 password password1\nip ssh time-out 120\nip ssh authentication-retries 3\nip scp server enable\n",
     "aaa new-model\naaa authentication login default local\naaa authorization exec default local\nusername samplename "
     "privilege 15 password password1\nip scp server enable\n"},
    {"! AAA has to be configured for SCP.\naaa new-model\naaa authentication login default local\naaa authorization "
     "exec "
     "default local\nusername user1 privilege 15 password 0 lab\n! SSH has to work.\nip scp server enable\n",
     "aaa new-model\naaa authentication login default local\naaa authorization exec default local\nusername user1 "
     "privilege 15 password 0 lab\nip scp server enable\n"},
    {"aaa new-model\naaa authentication login default group tacacs+\naaa authorization exec default group tacacs+\nip "
     "ssh "
     "time-out 120\nip ssh authentication-retries 3\nip scp server enable\n",
     "aaa new-model\naaa authentication login default group tacacs+\naaa authorization exec default group tacacs+\nip "
     "scp "
     "server enable\n"},
    {"username superuser privilege 2 password 0 superpassword\n"},
    {"ip ssh stricthostkeycheck\n"},
    {"ip ssh dh min size 4096\n"},
    {"ip ssh server algorithm authentication publickey password keyboard\n",
     "ip ssh server algorithm authentication publickey password keyboard-interactive\n"},
    {"ip ssh server algorithm hostkey x509v3-ssh-rsa ssh-rsa\n"},
    {"ip ssh server algorithm publickey x509v3-ssh-rsa ssh-rsa\n"},
    {"crypto pki trustpoint pki-server\n authorization username subjectname commonname\n enrollment pkcs12\n "
     "revocation-check none\n rsakeypair ssh-cert\n subject-name cn=RTR-DC01.cisco.com\n"},
    {"ip ssh server certificate profile\n server\n  trustpoint sign\n user\n  trustpoint verify\n"},
    {"ip ssh server certificate profile\n server\n  trustpoint sign pki-server\n user\n  trustpoint verify "
     "pki-server\n"},
    {"snmp-server\nsnmp-server host a.b.c.d public tty\n"},
    {"crypto key generate rsa usage-keys label sshkeys modulus 768\n", " "},
};

const Example kXrExamples[] = {
    {"hostname router1\ndomain name cisco.com\nssh timeout 60\nssh server v2\nssh server\n",
     "hostname router1\ndomain name cisco.com\nssh server v2\nssh timeout 60\n"},
    {"ssh server vrf red\nssh server vrf default\n", "ssh server vrf default\nssh server vrf red\n"},
    {"ssh server algorithms host-key ecdsa-nistp521\n"},
    {"ssh client knownhost slot1:/server_pubkey\n"},
    {"ssh client auth-method public-key keyboard-interactive password\n",
     "ssh client auth-methods publickey keyboard-interactive password\n"},
    {"ssh client source-interface MgmtEth 0/RP0/CPU0/0\n"},
    {"ssh client dscp 63\n"},
    {"ssh server disable hmac hmac-sha1\nssh client disable hmac hmac-sha1\n"},
    {"ssh server algorithms cipher aes256-cbc aes256-ctr aes192-ctr aes192-cbc\nssh client algorithms cipher "
     "aes256-cbc "
     "aes256-ctr aes192-ctr aes192-cbc\n"},
    {"no ssh client algorithms cipher\nno ssh server algorithms cipher\n", " "},
    {"ssh server algorithms cipher aes128-ctr aes192-ctr aes256-ctr\nssh server enable cipher aes-cbc 3des-cbc\nssh "
     "client "
     "algorithms cipher aes128-ctr aes192-ctr aes256-ctr\nssh client enable cipher aes-cbc 3des-cbc\n"},
    {"ssh server v2\nssh server port 5520\nssh server vrf default\n"},
    {"ssh server port-forwarding local\n"},
    {"ssh server v2\nssh server max-auth-limit 5\n"},
    {"ssh server algorithms host-key x509v3-ssh-rsa\nssh server trustpoint user tp1\nssh server trustpoint user "
     "tp2\nssh "
     "server certificate trustpoint host tp1\nssh server certificate username common-name\n"},
    {"aaa authentication login default group tacacs+ local\naaa authorization exec default group radius group "
     "tacacs+\n"},
    {"radius-server host 209.165.200.225 auth-port 1812 acct-port 1813\n key test@1234\n"},
};

TEST(ConfigExamples, load_and_show_back_the_same) {
  const auto check = [](std::string_view platform, const Example& example) {
    const std::string head = text("platform ", platform, "\n");
    const std::string_view wanted = example.shown == " " ? "" : example.shown.empty() ? example.lines : example.shown;
    const std::string once = shown(text(head, example.lines));
    EXPECT_EQ(once, text(head, wanted));
    EXPECT_EQ(shown(once), once);
    // Every command is understood under each platform.
    for (const char* other : {"sluice", "ios", "ios-xr"})
      EXPECT_EQ(error_of(text("platform ", other, "\n", example.lines)), "") << other;
  };
  for (const Example& example : kIosExamples) check("ios", example);
  for (const Example& example : kXrExamples) check("ios-xr", example);
}

TEST(ConfigExamples, keep_keys_of_users_and_of_servers_apart) {
  const std::string lines = text("ip ssh pubkey-chain\n username user1\n  key-string\n   ", kRsaKey,
                                 "\n   exit\n server server1\n  key-string\n   ", kRsaKey, "\n   exit\n");
  const ServerConfig config = config_of(lines);
  EXPECT_EQ(config.users.at("user1").keys.size(), 1u);
  EXPECT_EQ(config.client.servers.at("server1").keys.size(), 1u);
  EXPECT_EQ(shown(lines), text("username user1\n", lines));
  // As the guide types it: the hash where the key's text would be.
  const ServerConfig hashed =
      config_of("ip ssh pubkey-chain\nusername user1\nkey-string\nkey-hash ssh-rsa key1\nend\n");
  EXPECT_EQ(hashed.users.at("user1").key_hashes, std::vector<std::string>{"key1"});
  EXPECT_TRUE(hashed.users.at("user1").keys.empty());
}

TEST(ConfigExamples, warn_of_what_has_no_effect_yet) {
  for (const char* line : {"radius-server host 192.0.2.1", "tacacs-server host 192.0.2.1", "snmp-server",
                           "ssh server trustpoint user tp1", "aaa accounting exec default start-stop group tacacs+",
                           "aaa authentication login default group radius", "crypto key generate rsa"}) {
    const ParsedConfig parsed = parse(line);
    EXPECT_TRUE(parsed.ok()) << line;
    ASSERT_EQ(parsed.warnings.size(), 1u) << line;
    EXPECT_NE(parsed.warnings[0].what.find("no effect yet"), std::string::npos) << parsed.warnings[0].what;
  }
  EXPECT_TRUE(parse("aaa new-model\naaa authentication login default local\naaa authorization exec default local\n")
                  .warnings.empty());
}

TEST(ConfigExamples, hold_scp_for_privilege_15_when_both_lists_are_local) {
  EXPECT_FALSE(scp_wants_privilege(config_of("")));
  EXPECT_FALSE(scp_wants_privilege(config_of("aaa authorization exec default local")));
  EXPECT_FALSE(scp_wants_privilege(config_of("aaa new-model\naaa authorization exec default group tacacs+")));
  EXPECT_TRUE(scp_wants_privilege(config_of("aaa new-model\naaa authorization exec default local")));
}

// The shortest words from the beginning of a row to one of its elements.
std::string words_to(const CommandPattern& pattern, uint16_t wanted) {
  struct Way {
    uint16_t element;
    std::string words;
  };
  std::vector<Way> ways;
  std::set<uint16_t> seen;
  for (const uint16_t first : pattern.first) ways.push_back({first, ""});
  for (size_t i = 0; i < ways.size(); ++i) {
    const Way way = ways[i];
    if (way.element == wanted) return way.words;
    if (!seen.insert(way.element).second) continue;
    const PatternElement& element = pattern.elements[way.element];
    std::string word = element.type == PatternElement::Type::number ? std::to_string(element.least)
                       : element.words.empty()                      ? std::string()
                                                                    : std::string(element.words.front());
    if (element.kind && element.kind->extent != ValueExtent::word) continue;
    if (word.empty()) word = element.kind->name == "ADDRESS" ? "192.0.2.1" : "a";
    for (const uint16_t next : element.next) ways.push_back({next, text(way.words, word, " ")});
  }
  return {};
}

TEST(CommandTable, takes_every_range_from_edge_to_edge_under_every_platform) {
  size_t ranges = 0;
  for (const CommandRow& row : config_commands()) {
    const CommandPattern& pattern = config_grammar().pattern_of(row);
    for (uint16_t i = 0; i < pattern.elements.size(); ++i) {
      const PatternElement& element = pattern.elements[i];
      if (element.type != PatternElement::Type::number || !element.may_end) continue;
      ++ranges;
      for (const Platform platform : {Platform::sluice, Platform::ios, Platform::ios_xr}) {
        const uint64_t most = platform == Platform::sluice ? element.host_most : element.most;
        const auto fits = [&](uint64_t value) {
          return config_grammar()
              .match(row.mode, text(words_to(pattern, i), std::to_string(value)), platform)
              .has_value();
        };
        EXPECT_TRUE(fits(element.least)) << row.pattern;
        EXPECT_TRUE(fits(most)) << row.pattern;
        EXPECT_FALSE(fits(most + 1)) << row.pattern;
        if (element.least > 0) {
          EXPECT_FALSE(fits(element.least - 1)) << row.pattern;
        }
      }
    }
  }
  EXPECT_GT(ranges, 30u);
}

}  // namespace
}  // namespace sluice::test
