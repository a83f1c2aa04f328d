// The routers' commands at the prompt, in full and shortened, under every platform; what their shows look like; and for
// what is deliberately not here, that docs/CISCO.md says so.
#include <fstream>

#include "tests/unit/management/shell_world.h"

namespace sluice::test {
namespace {

constexpr std::array<std::string_view, 3> kPlatforms{"sluice", "ios", "ios-xr"};
constexpr std::array<Platform, 3> kPlatformValues{Platform::sluice, Platform::ios, Platform::ios_xr};

// Words with a ' in front are values: the others may be shortened.
constexpr std::string_view kExecLines[] = {
    "enable",
    "enable '15",
    "disable",
    "terminal length '0",
    "terminal width '511",
    "configure",
    "configure terminal",
    "exit",
    "show ssh",
    "show ssh details",
    "show ssh session details",
    "show ssh history",
    "show ssh history details",
    "show ssh server",
    "show ssh rekey",
    "show ip ssh",
    "show users",
    "show crypto key mypubkey rsa",
    "show crypto key mypubkey dsa",
    "show crypto key mypubkey ecdsa",
    "show crypto key mypubkey ed25519",
    "show crypto key mypubkey all",
    "show crypto offload",
    "show dataplane",
    "show lpts bindings brief",
    "show tcp brief",
    "show running-config",
    "show running-configuration",
    "show running-config 'ssh",
    "show running-config 'ssh 'client 'auth-methods",
    "show startup-config",
    "show configuration",
    "show configuration commit list",
    "show tech-support ssh",
    "show debugging",
    "show privilege",
    "show clock",
    "show version",
    "clear ssh '7",
    "disconnect ssh '7",
    "ssh rekey '7",
    "ssh rekey all",
    "crypto key generate rsa",
    "crypto key generate rsa usage-keys label 'sshkeys modulus '2048",
    "crypto key generate rsa general-keys 'sshkeys",
    "crypto key generate dsa",
    "crypto key generate ecdsa",
    "crypto key generate ecdsa nistp256",
    "crypto key generate ecdsa nistp384",
    "crypto key generate ecdsa nistp521",
    "crypto key generate ed25519",
    "crypto key zeroize rsa",
    "crypto key zeroize rsa 'sshkeys",
    "crypto key zeroize dsa",
    "crypto key zeroize ecdsa",
    "crypto key zeroize ecdsa nistp256",
    "crypto key zeroize ed25519",
    "crypto key import '/root/key",
    "crypto key export ed25519",
    "debug ip ssh",
    "debug ip ssh detail",
    "debug ip ssh packet",
    "debug ip ssh client",
    "debug ip scp",
    "debug ssh server",
    "debug ssh server session '7",
    "debug ssh server address '192.0.2.1",
    "no debug ip ssh",
    "no debug ip ssh detail",
    "no debug ip scp",
    "undebug all",
    "ssh '10.76.82.24",
    "ssh '-v '2 '-c 'aes256-ctr '-m 'hmac-sha1-96 '-l 'user2 '10.76.82.24",
    "ssh '-v '2 '-c 'aes256-cbc '-m 'hmac-sha1-160 '-l 'shaship '10.76.82.24",
    "ssh '-l 'user2:red '-o 'numberofpasswordprompts '2 '-p '2222 'host.example.org 'show 'users",
    "ssh '2001:db8::1 username 'user1",
    "ssh '198.51.100.1 port '5525 username 'user1",
    "ssh '198.51.100.1 username 'user1 cipher 'aes128-ctr",
    "ssh '198.51.100.1 username 'user1 source-interface 'eth0",
    "ssh '198.51.100.1 username 'user1 command 'show 'redundancy 'sum",
    "ssh vrf 'red '10.1.1.1",
    "scp '/etc/motd 'ann@192.0.2.1:/tmp/motd",
    "sftp 'ann@192.0.2.1",
    "copy running-config 'scp://ann@192.0.2.1/running",
    "copy 'scp://ann@192.0.2.1/image 'disk0:/image",
    "copy running-config startup-config",
    "write memory",
};

constexpr std::string_view kConfigLines[] = {
    "commit",
    "commit confirmed '60",
    "abort",
    "end",
    "exit",
    "rollback configuration last '1",
    "do 'show 'ssh",
    // In the configuration as IOS, at the prompt as IOS XR.
    "crypto key generate rsa",
    "crypto key zeroize rsa",
    "show configuration",
};

std::vector<std::string> words_of(std::string_view line) { return tokens(std::string(line)); }

std::string joined(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line.append(line.empty() ? "" : " ").append(word, word[0] == '\'' ? 1 : 0);
  return line;
}

void expect_taken(std::string_view line, uint8_t place) {
  const ExecGrammar& grammar = exec_grammar(place);
  const std::vector<std::string> words = words_of(line);
  for (const Platform platform : kPlatformValues) {
    const auto whole = grammar.grammar().match(Mode::global, joined(words), platform);
    ASSERT_TRUE(whole.has_value()) << joined(words) << ": " << whole.error().what;
    std::vector<std::string> shortest = words;
    for (size_t i = 0; i < words.size(); ++i) {
      for (size_t length = 1; words[i][0] != '\'' && words[i] != "no" && length < words[i].size(); ++length) {
        std::vector<std::string> cut = words;
        cut[i].resize(length);
        const auto matched = grammar.grammar().match(Mode::global, joined(cut), platform);
        // Where any word may stand, a beginning may be one: those are not unique.
        if (!matched || matched->row != whole->row) continue;
        shortest[i] = cut[i];
        break;
      }
    }
    const auto matched = grammar.grammar().match(Mode::global, joined(shortest), platform);
    ASSERT_TRUE(matched.has_value()) << joined(shortest) << " for " << line << ": " << matched.error().what;
    EXPECT_EQ(matched->row, whole->row) << joined(shortest) << " for " << line;
    EXPECT_EQ(matched->line.values, whole->line.values) << joined(shortest) << " for " << line;
  }
}

TEST(RouterWords, are_commands_under_every_platform_also_when_they_are_shortened) {
  for (const std::string_view line : kExecLines) expect_taken(line, kAtExec);
  for (const std::string_view line : kConfigLines) expect_taken(line, kAtConfig);
}

TEST(RouterWords, are_shortened_as_people_do) {
  const std::pair<const char*, const char*> kShort[] = {
      {"sh ru", "show running-config"},
      {"sh run ssh", "show running-config ssh"},
      {"conf t", "configure terminal"},
      {"sh ip ssh", "show ip ssh"},
      {"sh users", "show users"},
      {"cr k g r", "crypto key generate rsa"},
      {"cry key zer ed", "crypto key zeroize ed25519"},
      {"u all", "undebug all"},
      {"wr", "write"},
      {"en", "enable"},
      {"sh ssh sess det", "show ssh session details"},
      {"sh tech ssh", "show tech-support ssh"},
  };
  for (const auto& [brief, whole] : kShort) {
    const auto one = exec_grammar(kAtExec).grammar().match(Mode::global, brief, Platform::ios);
    const auto other = exec_grammar(kAtExec).grammar().match(Mode::global, whole, Platform::ios);
    ASSERT_TRUE(one.has_value()) << brief << ": " << one.error().what;
    EXPECT_EQ(one->row, other->row) << brief;
    EXPECT_EQ(one->line.values, other->line.values) << brief;
  }
}

TEST(RouterWords, refuse_numbers_beyond_their_ranges_and_mark_them) {
  struct Wrong {
    std::string_view line;
    std::string_view word;
  };
  constexpr Wrong kWrong[] = {
      {"enable 16", "16"},
      {"clear ssh 0", "0"},
      {"clear ssh 4294967296", "4294967296"},
      {"ssh rekey 0", "0"},
      {"ssh 192.0.2.1 port 65536", "65536"},
      {"ssh 192.0.2.1 port 0", "0"},
      {"crypto key generate rsa modulus 16385", "16385"},
      {"crypto key generate rsa modulus 1023", "1023"},
      {"crypto key generate ecdsa nistp224 extra", "extra"},
      {"debug ssh server session 0", "0"},
      {"debug ssh server address 300.0.0.1", "300.0.0.1"},
      {"show crypto key mypubkey rsa2", "rsa2"},
  };
  for (const Wrong& wrong : kWrong) {
    for (const Platform platform : kPlatformValues) {
      const auto matched = exec_grammar(kAtExec).grammar().match(Mode::global, wrong.line, platform);
      // A line of free words takes all that begins like it; what it says then is the program's.
      if (matched && wrong.line.starts_with("ssh 192")) continue;
      ASSERT_FALSE(matched.has_value()) << wrong.line;
      EXPECT_EQ(wrong.line.substr(matched.error().column, matched.error().length), wrong.word) << wrong.line;
    }
  }
  for (const auto& [line, place] : {std::pair("commit confirmed 0", kAtConfig),
                                    {"commit confirmed 65536", kAtConfig},
                                    {"rollback configuration last 0", kAtConfig}})
    EXPECT_FALSE(exec_grammar(place).grammar().match(Mode::global, line, Platform::ios_xr).has_value()) << line;
}

// --- what is seen

TEST_F(ShellTest, The_algorithms_of_ios_xr_are_those_of_its_devices) {
  be("ios-xr");
  const std::string text = output("show ssh server");
  for (const char* line :
       {"Key-Exchange Algorithms := ecdh-sha2-nistp521,ecdh-sha2-nistp384,ecdh-sha2-nistp256,"
        "diffie-hellman-group14-sha1,curve25519-sha256,diffie-hellman-group14-sha256,diffie-hellman-group16-sha512,"
        "curve25519-sha256@libssh.org",
        "Encryption Algorithms := aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com,"
        "chacha20-poly1305@openssh.com",
        "Mac Algorithms := hmac-sha2-512,hmac-sha2-256,hmac-sha1",
        "Hostkey Algorithms := ecdsa-sha2-nistp521,ecdsa-sha2-nistp384,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256,"
        "ssh-rsa,ssh-dss,ssh-ed25519"})
    EXPECT_TRUE(has_line(text, line)) << line << "\n" << text;
  // What was off comes behind them.
  host.config = config_of(
      "platform ios-xr\nssh server enable cipher aes-cbc 3des-cbc\nssh server disable hmac "
      "hmac-sha1\nssh server port-forwarding local\nssh server max-auth-limit 5\n");
  const std::string changed = output("show ssh server");
  EXPECT_NE(changed.find("chacha20-poly1305@openssh.com,aes128-cbc,aes192-cbc,aes256-cbc,3des-cbc\n"),
            std::string::npos)
      << changed;
  EXPECT_TRUE(has_line(changed, "Mac Algorithms := hmac-sha2-512,hmac-sha2-256"));
  EXPECT_TRUE(has_line(changed, "Port Forwarding := local"));
  EXPECT_TRUE(has_line(changed, "Max Authentication Limit := 5"));
}

TEST_F(ShellTest, The_history_has_the_columns_of_the_sessions_and_their_times) {
  be("ios-xr");
  SessionFacts gone = a_session();
  gone.began_ms = 1542625148000;
  gone.ended_ms = 1542625208000;
  host.facts.history = {gone};
  const std::string brief = output("show ssh history");
  EXPECT_TRUE(has_line(brief, "SSH version : Cisco-2.0"));
  EXPECT_TRUE(has_line(brief, "id chan pty location userid host ver authentication connection type")) << brief;
  EXPECT_TRUE(has_line(brief, "Incoming sessions"));
  EXPECT_TRUE(has_line(brief, "15 2 vty0 0/RP0/CPU0 admin 192.168.122.1 v2 password Command-Line-Interface")) << brief;
  const std::string details = output("show ssh history details");
  EXPECT_TRUE(has_line(details, "id key-exchange pubkey incipher outcipher inmac outmac start_time end_time"));
  EXPECT_NE(details.find("10:59:08"), std::string::npos) << details;
  EXPECT_NE(details.find("11:00:08"), std::string::npos) << details;
}

TEST_F(ShellTest, Every_show_of_ios_xr_begins_with_the_date) {
  be("ios-xr");
  for (const char* line : {"show ssh", "show ssh session details", "show ssh history", "show ssh history details",
                           "show ssh server", "show ssh rekey", "show ip ssh", "show users", "show lpts bindings brief",
                           "show tcp", "show crypto offload", "show dataplane", "show version"}) {
    const auto first = tokens(lines_of(output(line)).at(0));
    ASSERT_EQ(first.size(), 5u) << line;
    EXPECT_EQ(first[4], "UTC") << line;
  }
  be("ios");
  EXPECT_NE(tokens(lines_of(output("show users")).at(0)).at(0), "Wed");
  EXPECT_TRUE(has_line(output("show users"), "Line User Host(s) Idle Location"));
}

TEST_F(ShellTest, Host_keys_are_shown_as_points_in_groups_of_eight_digits) {
  for (const auto& [command, type, size, octets] :
       {std::tuple("ecdsa nistp256", "Type : ECDSA General Curve Nistp256", "Degree : 256", 65u),
        {"ecdsa nistp384", "Type : ECDSA General Curve Nistp384", "Degree : 384", 97u},
        {"ecdsa nistp521", "Type : ECDSA General Curve Nistp521", "Degree : 521", 133u},
        {"ed25519", "Type : ED25519", "Size : 256", 32u}}) {
    ASSERT_FALSE(run(text("crypto key generate ", command)).failed);
    const std::string kind = tokens(command).front();
    const std::string shown = output("show crypto key mypubkey " + kind);
    EXPECT_TRUE(has_line(shown, "Key label: the_default")) << shown;
    EXPECT_TRUE(has_line(shown, type)) << shown;
    EXPECT_TRUE(has_line(shown, size)) << shown;
    EXPECT_NE(shown.find("Created   : "), std::string::npos) << shown;
    size_t digits = 0;
    bool in_data = false;
    for (const std::string& line : lines_of(shown)) {
      if (line.starts_with("Key label")) digits = 0, in_data = false;
      if (in_data) {
        const auto groups = tokens(line);
        EXPECT_LE(groups.size(), 8u) << line;
        for (const std::string& group : groups) {
          EXPECT_EQ(group.find_first_not_of("0123456789ABCDEF"), std::string::npos) << line;
          EXPECT_LE(group.size(), 8u) << line;
          digits += group.size();
        }
      }
      if (line.starts_with("Data")) in_data = true;
      if (in_data && digits == octets * 2) break;
    }
    EXPECT_EQ(digits, octets * 2) << shown;
    run("crypto key zeroize " + kind);
    run("yes");
  }
}

// --- what is not here

TEST(RouterWords, that_are_not_here_have_their_reason_in_the_documentation) {
  std::ifstream file(SLUICE_DOCS "/CISCO.md");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  ASSERT_FALSE(page.empty());
  for (const char* word : {"SSH version 1",
                           "cipher des",
                           "SSH-1.99",
                           "1.99` in compatibility mode",
                           "768 bits",
                           "512 and 768",
                           "hostname and domain before `crypto key generate`",
                           "5520-5529",
                           "1025-65535",
                           "ten users with two keys each",
                           "ten outgoing sessions",
                           "vty lines",
                           "privilege 15 for SCP",
                           "DSCP per VRF",
                           "LPTS policers",
                           "Backup Server",
                           "MPP",
                           "0/RP0/CPU0",
                           "slot1:/file",
                           "compression",
                           "-vrf",
                           "Server Authentication Failed",
                           "closed by foreign host",
                           "rotary",
                           "S/KEY",
                           "FIPS",
                           "ChPass",
                           "Outgoing sessions",
                           "Certificate Based",
                           "debug crypto pki",
                           "debug snmp packet",
                           "%SECURITY-PKI",
                           "WARNING_X509",
                           "x11-req",
                           "wildcards",
                           "vt100",
                           "cannot propose publickey",
                           "MFA",
                           "Authentication methods that a user",
                           "radius-server",
                           "tacacs-server",
                           "snmp-server",
                           "crypto pki trustpoint"})
    EXPECT_NE(page.find(word), std::string::npos) << word;
}

}  // namespace
}  // namespace sluice::test
