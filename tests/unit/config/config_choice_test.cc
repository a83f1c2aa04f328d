// What a configuration amounts to: algorithms, limits, rules of logins.
#include "control/config/algorithm_choice.h"
#include "control/config/cisco_secret.h"
#include "control/config/login_setup.h"
#include "tests/unit/config/config_world.h"

namespace sluice::test {
namespace {

ChosenAlgorithms chosen(std::string_view lines) { return choose_algorithms(config_of(lines)); }

TEST(AlgorithmChoice, has_the_order_of_the_platform) {
  const TransportConfig own = default_transport_config(Role::server);
  EXPECT_EQ(chosen("").kex, own.kex);
  EXPECT_EQ(chosen("").ciphers, own.ciphers);
  EXPECT_EQ(chosen("").macs, own.macs);
  EXPECT_EQ(join_names(chosen("platform ios-xr").kex),
            "ecdh-sha2-nistp521,ecdh-sha2-nistp384,ecdh-sha2-nistp256,diffie-hellman-group14-sha1,curve25519-sha256,"
            "diffie-hellman-group14-sha256,diffie-hellman-group16-sha512,curve25519-sha256@libssh.org");
  EXPECT_EQ(
      join_names(chosen("platform ios-xr").ciphers),
      "aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com");
  EXPECT_EQ(join_names(chosen("platform ios-xr").macs), "hmac-sha2-512,hmac-sha2-256,hmac-sha1");
  EXPECT_EQ(join_names(chosen("platform ios-xr").host_keys),
            "ecdsa-sha2-nistp521,ecdsa-sha2-nistp384,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256,ssh-rsa,ssh-dss,"
            "ssh-ed25519");
}

TEST(AlgorithmChoice, joins_the_list_of_ciphers_with_those_that_are_enabled) {
  EXPECT_EQ(join_names(chosen("ssh server enable cipher aes-cbc 3des-cbc\n"
                              "ssh server algorithms cipher aes128-ctr aes192-ctr aes256-ctr")
                           .ciphers),
            "aes128-ctr,aes192-ctr,aes256-ctr,aes128-cbc,aes192-cbc,aes256-cbc,3des-cbc");
  EXPECT_EQ(join_names(chosen("ssh server algorithms cipher aes256-cbc aes256-ctr").ciphers), "aes256-cbc,aes256-ctr");
  EXPECT_EQ(chosen("ssh server enable cipher aes-cbc\nno ssh server enable cipher").ciphers, chosen("").ciphers);
  EXPECT_EQ(chosen("ssh server enable cipher aes-cbc 3des-cbc\nno ssh server enable cipher aes-cbc").ciphers.back(),
            "3des-cbc");
}

TEST(AlgorithmChoice, disables_a_mac_in_both_its_forms) {
  const std::string macs = join_names(chosen("ssh server disable hmac hmac-sha1").macs);
  EXPECT_EQ(macs.find("sha1"), std::string::npos) << macs;
  EXPECT_NE(macs.find("hmac-sha2-256"), std::string::npos);
}

TEST(AlgorithmChoice, leaves_out_groups_below_the_least_size) {
  const std::string kex = join_names(chosen("ip ssh dh min size 4096").kex);
  EXPECT_EQ(kex.find("group14"), std::string::npos) << kex;
  EXPECT_NE(kex.find("group16"), std::string::npos);
  EXPECT_NE(kex.find("ecdh-sha2-nistp256"), std::string::npos);
  EXPECT_EQ(server_transport_config(config_of("ip ssh dh min size 4096")).kex_options.min_modulus, 4096u);
  EXPECT_EQ(server_transport_config(config_of("ip ssh dh min size 768")).kex_options.min_modulus, 1024u);
}

TEST(AlgorithmChoice, is_modern_when_asked) {
  const ChosenAlgorithms modern = chosen("crypto policy modern");
  for (const std::string& name : modern.macs) EXPECT_EQ(name.find("sha1"), std::string::npos);
  for (const std::string& name : modern.kex) {
    EXPECT_NE(find_kex_method(name), nullptr);
    EXPECT_GE(find_kex_method(name)->strength, 128);
  }
  for (const std::string& name : modern.host_keys) EXPECT_EQ(name.find("nistp"), std::string::npos);
  for (const std::string& name : modern.ciphers) EXPECT_EQ(name.find("cbc"), std::string::npos);
  EXPECT_EQ(join_names(chosen("crypto policy modern\nssh server algorithms cipher aes128-ctr").ciphers), "aes128-ctr");
}

TEST(AlgorithmChoice, names_only_what_we_have) {
  for (const char* platform : {"sluice", "ios", "ios-xr"}) {
    for (const char* policy : {"default", "modern"}) {
      const ChosenAlgorithms names = chosen(text("platform ", platform, "\ncrypto policy ", policy));
      for (const std::string& name : names.kex) EXPECT_NE(find_kex_method(name), nullptr) << name;
      for (const std::string& name : names.host_keys) EXPECT_NE(find_signature_algorithm(name), nullptr) << name;
      for (const std::string& name : names.ciphers) EXPECT_NE(find_suite(name, "hmac-sha2-256"), nullptr) << name;
      for (const std::string& name : names.macs) EXPECT_NE(find_suite("aes128-ctr", name), nullptr) << name;
    }
  }
}

TEST(AlgorithmChoice, takes_rsa_as_what_is_safe_of_it) {
  EXPECT_EQ(join_names(chosen("ssh server algorithms host-key rsa ed25519").host_keys),
            "rsa-sha2-512,rsa-sha2-256,ssh-ed25519");
  EXPECT_TRUE(chosen("ssh server algorithms host-key ssh-rsa").sha1_host_keys);
  EXPECT_FALSE(chosen("").sha1_host_keys);
  EXPECT_FALSE(parse("ssh server algorithms host-key x509v3-ssh-rsa").warnings.empty());
}

TEST(ServerConfig, rekeys_at_whichever_limit_comes_first) {
  EXPECT_EQ(config_of("").rekey.volume_bytes(), uint64_t{1024} << 20);
  EXPECT_EQ(config_of("").rekey.time_ns(), uint64_t{3600} * 1000000000);
  const RekeySettings low = config_of("ssh server rekey-kilobytes 1024\nssh server rekey-seconds 5").rekey;
  EXPECT_EQ(low.volume_bytes(), uint64_t{1} << 20);
  EXPECT_EQ(low.time_ns(), uint64_t{5} * 1000000000);
  EXPECT_EQ(low.records(), uint64_t{1} << 31);
}

TEST(ServerConfig, listens_where_its_user_may) {
  EXPECT_EQ(default_config(Platform::sluice, {4, 1 << 30, false}).listen.port, 5522u);
  EXPECT_EQ(default_config(Platform::sluice, {4, 1 << 30, true}).listen.port, 22u);
}

TEST(LoginSetup, turns_ways_and_limits_into_rules) {
  const LoginRules rules =
      login_rules(config_of("login methods publickey,password keyboard-interactive\n"
                            "ssh server max-auth-limit 5\n"));
  ASSERT_EQ(rules.ways.size(), 2u);
  EXPECT_EQ(rules.ways[0], (std::vector{AuthMethod::publickey, AuthMethod::password}));
  EXPECT_EQ(rules.ways[1], std::vector{AuthMethod::keyboard_interactive});
  EXPECT_EQ(rules.max_tries, 5u);
  EXPECT_EQ(login_rules(config_of("platform ios\nip ssh authentication-retries 0")).max_tries, 1u);
  EXPECT_EQ(login_rules(config_of("")).ways.size(), 3u);
  const auto users = system_users_config(config_of("login root forced-commands-only\nlogin deny-users a*"));
  EXPECT_EQ(users.policy.root_login, RootLogin::forced_commands_only);
  EXPECT_EQ(users.policy.deny_users, std::vector<std::string>{"a*"});
}

TEST(LoginSetup, makes_hashes_of_secrets_as_they_were_given) {
  const auto users =
      local_users(config_of("username a secret 10 $6$salt$hash\nusername b secret 0 plain\nusername c"), {});
  ASSERT_TRUE(users.has_value());
  EXPECT_EQ((*users)[0].hashed_secret, "$6$salt$hash");
  EXPECT_TRUE((*users)[1].hashed_secret.starts_with("$"));
  EXPECT_EQ((*users)[2].hashed_secret, "");
}

TEST(CiscoSecret, reads_type_7) {
  EXPECT_EQ(decode_type7("0822455D0A16"), "cisco");
  EXPECT_EQ(decode_type7("08"), std::nullopt);
  EXPECT_EQ(decode_type7("0822455D0A1"), std::nullopt);
  EXPECT_EQ(decode_type7("zz22455D0A16"), std::nullopt);
}

}  // namespace
}  // namespace sluice::test
