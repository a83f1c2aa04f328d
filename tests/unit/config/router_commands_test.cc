// The routers' configuration commands one by one, under every platform: each is taken in full and shortened, shown back
// as itself, undone by `no`; each range holds from edge to edge and refuses what lies beyond, with the word marked;
// each default is the platform's.
#include <array>

#include "tests/unit/config/config_world.h"

namespace sluice::test {
namespace {

constexpr std::array<std::string_view, 3> kPlatforms{"sluice", "ios", "ios-xr"};

// Words that are values have a ' in front: the others may be shortened.
struct RouterLine {
  std::string_view words;
  // As running-config has it: under all platforms, or under the one that is named; itself, where nothing stands here.
  std::string_view shown = {};
  std::string_view ios = {};
  std::string_view xr = {};
};
// It says what holds anyway: running-config has no line for it.
constexpr std::string_view kNothing = "-";

const RouterLine kLines[] = {
    // Versions and identity.
    {"hostname 'cisco7200"},
    {"domain name 'cisco.com", "", "ip domain-name cisco.com"},
    {"ip domain-name 'cisco.com", "domain name cisco.com", "ip domain-name cisco.com"},
    {"domain-name 'cisco.com", "domain name cisco.com", "ip domain-name cisco.com"},
    {"ip ssh version '1"},
    {"ip ssh version '2", "ssh server v2", "ip ssh version 2"},
    {"ssh server v2", "", "ip ssh version 2"},
    {"ssh server", kNothing},
    // Host keys.
    {"ip ssh rsa keypair-name 'sshkeys"},
    // What the server bounds. `ip ssh time-out` and `ssh timeout` are one setting, in the platform's words.
    {"ip ssh time-out '12", "ssh timeout 12", "ip ssh time-out 12"},
    {"ssh timeout '60", "", "ip ssh time-out 60"},
    {"ip ssh authentication-retries '5", "ssh server max-auth-limit 5", "ip ssh authentication-retries 5"},
    {"ssh server max-auth-limit '5", "", "ip ssh authentication-retries 5"},
    {"ssh server rate-limit '30"},
    {"ssh server session-limit '100"},
    {"ssh server rekey-time '450"},
    {"ssh server rekey-volume '2048"},
    {"ssh server tcp-window-scale '4"},
    {"ssh server dscp '8"},
    {"ssh client dscp '63"},
    {"ip ssh dh min size '4096"},
    // Algorithms.
    {"ssh server enable cipher aes-cbc 3des-cbc"},
    {"ssh server enable cipher 3des-cbc"},
    {"ssh client enable cipher aes-cbc 3des-cbc"},
    {"ssh server disable hmac hmac-sha1"},
    {"ssh client disable hmac hmac-sha1"},
    {"ssh server algorithms cipher '3des-cbc 'aes128-cbc 'aes192-cbc 'aes256-cbc 'aes128-ctr 'aes192-ctr 'aes256-ctr "
     "'aes128-gcm@openssh.com 'aes256-gcm@openssh.com",
     "",
     "ip ssh server algorithm encryption 3des-cbc aes128-cbc aes192-cbc aes256-cbc aes128-ctr aes192-ctr aes256-ctr "
     "aes128-gcm@openssh.com aes256-gcm@openssh.com"},
    {"ssh client algorithms cipher 'aes256-cbc 'aes256-ctr 'aes192-ctr 'aes192-cbc", "",
     "ip ssh client algorithm encryption aes256-cbc aes256-ctr aes192-ctr aes192-cbc"},
    {"ssh server algorithms host-key 'ecdsa-nistp521", "", "ip ssh server algorithm hostkey ecdsa-nistp521"},
    {"ssh server algorithms host-key 'ecdsa-sha2-nistp521", "ssh server algorithms host-key ecdsa-nistp521",
     "ip ssh server algorithm hostkey ecdsa-nistp521"},
    {"ssh server algorithms hostkey 'ed25519", "ssh server algorithms host-key ed25519",
     "ip ssh server algorithm hostkey ed25519"},
    {"ssh server algorithms host-key 'ssh-dss", "ssh server algorithms host-key dsa",
     "ip ssh server algorithm hostkey dsa"},
    {"ssh server algorithms host-key 'ssh-dsa", "ssh server algorithms host-key dsa",
     "ip ssh server algorithm hostkey dsa"},
    {"ssh server algorithms host-key 'x509v3-ssh-rsa", "", "ip ssh server algorithm hostkey x509v3-ssh-rsa"},
    {"ssh server algorithms host-key 'x509-ssh-rsa", "ssh server algorithms host-key x509v3-ssh-rsa",
     "ip ssh server algorithm hostkey x509v3-ssh-rsa"},
    {"ip ssh server algorithm hostkey 'x509v3-ssh-rsa 'ssh-rsa",
     "ssh server algorithms host-key x509v3-ssh-rsa ssh-rsa", "ip ssh server algorithm hostkey x509v3-ssh-rsa ssh-rsa"},
    {"ip ssh server algorithm authentication 'publickey 'password 'keyboard",
     "login methods publickey password keyboard-interactive",
     "ip ssh server algorithm authentication publickey password keyboard-interactive"},
    {"ip ssh server algorithm publickey 'x509v3-ssh-rsa 'ssh-rsa"},
    // Users, AAA.
    {"username 'samplename privilege '15 password 'password1"},
    {"username 'superuser privilege '2 password '0 'superpassword"},
    {"username 'lab secret '0 'lab"},
    {"aaa new-model"},
    {"aaa authentication login 'default 'local"},
    {"aaa authentication login 'default 'group 'tacacs+ 'local"},
    {"aaa authentication login 'default 'group 'radius"},
    {"aaa authorization exec 'default 'local"},
    {"aaa authorization exec 'default 'group 'tacacs+"},
    {"aaa authorization exec 'default 'group 'radius 'group 'tacacs+"},
    {"aaa accounting 'exec 'default 'start-stop 'group 'tacacs+"},
    {"banner login '#Who 'is 'there?#", "banner login ^CWho is there?^C"},
    {"banner motd '#Good 'morning#", "banner motd ^CGood morning^C"},
    // The client.
    {"ip ssh stricthostkeycheck"},
    {"ssh client knownhost 'slot1:/server_pubkey"},
    {"ssh client source-interface 'MgmtEth '0/RP0/CPU0/0"},
    {"ssh client auth-method 'public-key 'keyboard-interactive 'password",
     "ssh client auth-methods publickey keyboard-interactive password"},
    {"ssh client auth-methods 'publickey 'password"},
    {"ssh client vrf 'red"},
    // SCP, SFTP, forwarding.
    {"ip scp server enable", kNothing, "ip scp server enable", kNothing},
    {"subsystem 'netconf '/usr/bin/netconf"},
    {"ssh server port-forwarding local"},
    // Port, VRF, NETCONF.
    {"ssh server port '5520"},
    {"ssh server vrf 'default"},
    {"ssh server vrf 'red ipv4 access-list 'trusted ipv6 access-list 'trusted6"},
    {"ssh server netconf port '831"},
    // Logs.
    {"ssh server logging"},
    // What comes later.
    {"radius-server host '209.165.200.225 'auth-port '1812 'acct-port '1813"},
    {"tacacs-server host '192.0.2.9"},
    {"snmp-server"},
    {"snmp-server 'host '192.0.2.9 'public 'tty"},
    {"crypto pki trustpoint 'pki-server"},
    {"crypto ca trustpoint 'pki-server", "crypto pki trustpoint pki-server"},
    {"ssh server trustpoint 'user 'tp1"},
    {"ssh server trustpoint 'host 'tp1"},
    {"ssh server certificate 'trustpoint 'host 'tp1"},
    {"ssh server certificate 'username 'common-name"},
    {"ssh server certificate 'username 'user-principle-name"},
};

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  while (!line.empty()) {
    const size_t blank = std::min(line.find(' '), line.size());
    words.emplace_back(line.substr(0, blank));
    line.remove_prefix(std::min(blank + 1, line.size()));
  }
  return words;
}

// The values' marks gone.
std::string joined(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line.append(line.empty() ? "" : " ").append(word, word[0] == '\'' ? 1 : 0);
  return line;
}

std::string under(std::string_view platform, std::string_view line) {
  return text("platform ", platform, "\n", line, "\n");
}

std::string_view wanted(const RouterLine& line, std::string_view platform, std::string_view full) {
  const std::string_view own = platform == "ios" ? line.ios : platform == "ios-xr" ? line.xr : std::string_view();
  const std::string_view shown = !own.empty() ? own : !line.shown.empty() ? line.shown : full;
  return shown == kNothing ? std::string_view() : shown;
}

std::string head_of(std::string_view platform) {
  return platform == "sluice" ? std::string() : text("platform ", platform, "\n");
}

TEST(RouterCommands, are_taken_and_shown_back_under_every_platform) {
  for (const RouterLine& line : kLines) {
    const std::string full = joined(words_of(line.words));
    for (const std::string_view platform : kPlatforms) {
      const std::string printed = shown(under(platform, full));
      const std::string_view own = wanted(line, platform, full);
      EXPECT_EQ(printed, text(head_of(platform), own, own.empty() ? "" : "\n")) << platform << ": " << full;
      EXPECT_EQ(shown(printed.empty() ? "!\n" : printed), printed) << platform << ": " << full;
    }
  }
}

// Each word as short as it may be beside the others in full, then all of them so.
TEST(RouterCommands, are_known_by_the_unique_beginnings_of_their_words) {
  for (const RouterLine& line : kLines) {
    const std::vector<std::string> words = words_of(line.words);
    for (const std::string_view platform : kPlatforms) {
      const ServerConfig whole = config_of(under(platform, joined(words)));
      std::vector<std::string> shortest = words;
      for (size_t i = 0; i < words.size(); ++i) {
        for (size_t length = 1; words[i][0] != '\'' && length < words[i].size(); ++length) {
          std::vector<std::string> cut = words;
          cut[i].resize(length);
          const ParsedConfig parsed = parse(under(platform, joined(cut)));
          // Refused as ambiguous, or the same; never something else.
          if (!parsed.ok()) continue;
          EXPECT_TRUE(parsed.config == whole) << joined(cut);
          shortest[i] = cut[i];
          break;
        }
      }
      EXPECT_TRUE(config_of(under(platform, joined(shortest))) == whole) << joined(shortest);
    }
  }
}

TEST(RouterCommands, are_undone_by_no) {
  for (const RouterLine& line : kLines) {
    const std::string full = joined(words_of(line.words));
    // The server itself is on, and version 2 is what is served.
    if (full == "ssh server") continue;
    for (const std::string_view platform : kPlatforms) {
      const std::string undone = shown(under(platform, text(full, "\nno ", full)));
      const bool off = full == "ip scp server enable" && platform != "ios";
      EXPECT_EQ(undone, text(head_of(platform), off ? "no ip scp server enable\n" : "")) << platform << ": " << full;
    }
  }
}

// A # is where the number stands.
struct Range {
  std::string_view line;
  uint64_t least;
  uint64_t most;
  uint64_t host_most = 0;  // where a host goes further than a router
};

const Range kRanges[] = {
    {"ip ssh version #", 1, 2},
    {"ip ssh time-out #", 1, 120},
    {"ip ssh authentication-retries #", 0, 5},
    {"ssh timeout #", 5, 120},
    {"ssh server max-auth-limit #", 3, 20},
    {"ssh server rate-limit #", 1, 600, 1536000},
    {"ssh server session-limit #", 1, 1024, 65536},
    {"ssh server rekey-time #", 30, 1440},
    {"ssh server rekey-volume #", 1024, 4095},
    {"ssh server dscp #", 0, 63},
    {"ssh client dscp #", 0, 63},
    {"ssh server tcp-window-scale #", 1, 14},
    {"ssh client tcp-window-scale #", 1, 14},
    {"ssh server port #", 1, 65535},
    {"ssh server netconf port #", 1, 65535},
    {"username lab privilege #", 0, 15},
};

TEST(RouterCommands, have_ranges_that_end_where_they_say) {
  const auto with = [](std::string_view line, uint64_t number) {
    const size_t at = line.find('#');
    return text(line.substr(0, at), std::to_string(number), line.substr(at + 1));
  };
  for (const Range& range : kRanges) {
    const size_t column = range.line.find('#');
    for (const std::string_view platform : kPlatforms) {
      const uint64_t most = platform == "sluice" && range.host_most != 0 ? range.host_most : range.most;
      for (const uint64_t inside : {range.least, most})
        EXPECT_EQ(error_of(under(platform, with(range.line, inside))), "") << platform;
      std::vector<uint64_t> outside{most + 1};
      if (range.least > 0) outside.push_back(range.least - 1);
      for (const uint64_t number : outside) {
        const ParsedConfig parsed = parse(under(platform, with(range.line, number)));
        ASSERT_EQ(parsed.errors.size(), 1u) << with(range.line, number);
        // The word that is wrong, and what may stand there.
        EXPECT_EQ(parsed.errors[0].column, column);
        EXPECT_EQ(parsed.errors[0].length, std::to_string(number).size());
        EXPECT_FALSE(parsed.errors[0].expected.empty());
        EXPECT_EQ(parsed.errors[0].line, 2u);
      }
    }
  }
}

TEST(RouterCommands, refuse_words_that_are_none_of_theirs_and_mark_them) {
  struct Wrong {
    std::string_view line;
    std::string_view word;
  };
  const std::string longest(32, 'v'), longer(33, 'v');
  EXPECT_EQ(error_of(text("ssh server vrf ", longest)), "");
  const std::string too_long = text("ssh server vrf ", longer);
  const Wrong kWrong[] = {
      {"ip ssh dh min size 1000", "1000"},
      {"ssh server algorithms cipher aes512-ctr", "aes512-ctr"},
      {"ssh server algorithms host-key ecdsa-nistp224", "ecdsa-nistp224"},
      {"ssh server enable cipher des-cbc", "des-cbc"},
      {"ssh server disable hmac hmac-sha9", "hmac-sha9"},
      {"ssh client knownhost server_pubkey", "server_pubkey"},
      {"ip ssh server algorithm authentication rhosts", "rhosts"},
      {"ssh server port-forwarding everything", "everything"},
      {"ip ssh pubkey-chain\n username lab\n  key-hash ssh-dss key1", "ssh-dss"},
      {too_long, longer},
  };
  for (const Wrong& wrong : kWrong) {
    for (const std::string_view platform : kPlatforms) {
      const ParsedConfig parsed = parse(under(platform, wrong.line));
      ASSERT_EQ(parsed.errors.size(), 1u) << wrong.line;
      const ConfigMessage& error = parsed.errors[0];
      EXPECT_EQ(std::string_view(error.shown).substr(error.column, error.length), wrong.word) << error.text();
    }
  }
}

struct Default {
  std::string_view line;
  bool sluice, ios, xr;
};

// Whether a platform has it so when nothing is configured.
const Default kDefaults[] = {
    {"ssh timeout 30", true, false, true},
    {"ip ssh time-out 120", false, true, false},
    {"ssh server max-auth-limit 20", true, false, true},
    {"ip ssh authentication-retries 3", false, true, false},
    {"ssh server rate-limit 60", false, true, true},
    {"ssh server session-limit 64", false, true, true},
    {"ssh server rekey-time 60", true, true, true},
    {"ssh server rekey-volume 1024", true, true, true},
    {"ssh server dscp 16", true, true, true},
    {"ssh client dscp 16", true, true, true},
    {"ssh server netconf port 830", true, true, true},
    {"ssh server port 22", true, true, true},
    {"no ssh server port-forwarding local", true, true, true},
    {"no ip ssh stricthostkeycheck", true, true, true},
    {"no ip scp server enable", false, true, false},
    {"ip scp server enable", true, false, true},
    {"no aaa new-model", true, true, true},
    {"ip ssh dh min size 2048", true, true, true},
};

TEST(RouterCommands, have_the_platforms_defaults) {
  for (const std::string_view platform : kPlatforms) {
    const std::string all = text("\n", running_config(config_of(under(platform, "")), kMachine, {.defaults = true}));
    for (const Default& one : kDefaults) {
      const bool there = platform == "sluice" ? one.sluice : platform == "ios" ? one.ios : one.xr;
      EXPECT_EQ(all.find(text("\n", one.line, "\n")) != all.npos, there) << platform << ": " << one.line << all;
    }
  }
}

// Lines that stand below others, as they are typed and as they are shown.
TEST(RouterCommands, open_modes_with_lines_of_their_own) {
  const std::string_view kBlocks[] = {
      "crypto pki trustpoint pki-server\n authorization username subjectname commonname\n enrollment pkcs12\n "
      "revocation-check none\n rsakeypair ssh-cert\n subject-name cn=RTR-DC01.cisco.com\n",
      "ip ssh server certificate profile\n server\n  trustpoint sign pki-server\n user\n  trustpoint verify "
      "pki-server\n",
      "radius-server host 209.165.200.225 auth-port 1812 acct-port 1813\n key test@1234\n",
      "ipv4 access-list trusted\n 10 permit 10.0.0.0/8\n 20 deny any\n",
      "username lab\nip ssh pubkey-chain\n username lab\n  key-hash ssh-rsa 0123456789ABCDEF0123456789ABCDEF\n",
      "ip ssh pubkey-chain\n server 192.0.2.1\n  key-hash ssh-rsa 0123456789ABCDEF0123456789ABCDEF\n",
  };
  for (const std::string_view block : kBlocks)
    for (const std::string_view platform : kPlatforms)
      EXPECT_EQ(shown(under(platform, block)), text(head_of(platform), block)) << platform;
}

}  // namespace
}  // namespace sluice::test
