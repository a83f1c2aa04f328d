// ssh_config(5) as users write it: which words win, which blocks match, what is a mistake.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "control/client/config/client_options.h"
#include "control/client/config/config_reader.h"
#include "control/client/config/config_words.h"
#include "tests/support/temp_folder.h"

namespace sluice {
namespace {

struct Reading {
  ClientSettings settings;
  std::vector<std::string> errors, warnings;
  std::vector<std::string> run;
  bool wants_final = false;
};

Reading read(const std::string& text, const std::string& host = "box", bool exec_answer = true) {
  const test::TempFolder folder;
  folder.write("config", text);
  Reading out;
  MatchFacts facts;
  facts.tokens.original_host = host;
  facts.tokens.local_user = "me";
  facts.tokens.home = folder.path();
  facts.host = host;
  ConfigReader reader(out.settings, facts, [&](const std::string& command) {
    out.run.push_back(command);
    return exec_answer;
  });
  EXPECT_TRUE(reader.read_file(folder / "config", folder.path(), true));
  out.errors = reader.errors();
  out.warnings = reader.warnings();
  out.wants_final = reader.wants_final();
  return out;
}

ResultOrText<ClientOptions> options(const std::vector<std::string>& lines, const std::string& to = "box") {
  return read_client_options({to, lines, "none"});
}

TEST(ClientOptions, A_key_file_of_a_flag_that_is_not_there_is_told_and_left_out) {
  const test::TempFolder folder;
  folder.write("mine", "");
  folder.write("agents.pub", "");
  const std::string missing = folder / "missing";
  const auto out = read_client_options({"box", {}, "none", {folder / "mine", missing, folder / "agents"}});
  ASSERT_TRUE(out);
  EXPECT_EQ(out->connection.keys.files, (std::vector<std::string>{folder / "mine", folder / "agents"}));
  ASSERT_EQ(out->warnings.size(), 1u);
  EXPECT_NE(out->warnings.front().find("Identity file " + missing + " not accessible"), std::string::npos);
  // Then it is as if it had not been said.
  const auto none = read_client_options({"box", {}, "none", {missing}});
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->settings.has("IdentityFile"));
}

TEST(ConfigWords, A_keyword_may_be_followed_by_an_equals_sign) {
  EXPECT_EQ(take_keyword("  Port = 22 ").keyword, "Port");
  EXPECT_EQ(take_keyword("Port=22").rest, "22");
  EXPECT_EQ(take_keyword("# Port 22").keyword, "");
}

TEST(ConfigWords, Quotes_keep_blanks_and_a_hash_ends_the_line) {
  const auto words = split_words(R"(a "b c" 'd e' f\ g # h)");
  ASSERT_TRUE(words);
  EXPECT_EQ(*words, (std::vector<std::string>{"a", "b c", "d e", "f g"}));
  EXPECT_FALSE(split_words("\"open"));
}

TEST(ConfigReader, The_first_word_wins) {
  const auto out = read("Host box\n Port 1\nHost *\n Port 2\n");
  EXPECT_EQ(out.settings.one("Port"), "1");
}

TEST(ConfigReader, Files_and_forwards_add_up) {
  const auto out = read("IdentityFile a\nIdentityFile b\nLocalForward 1 h:2\nLocalForward 3 h:4\n");
  EXPECT_EQ(out.settings.all("IdentityFile"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(out.settings.lines("LocalForward").size(), 2u);
}

TEST(ConfigReader, A_negated_pattern_takes_a_host_out) {
  EXPECT_EQ(read("Host * !box\n Port 1\n").settings.one("Port"), "22");
  EXPECT_EQ(read("Host * !other\n Port 1\n").settings.one("Port"), "1");
}

TEST(ConfigReader, Match_needs_all_its_conditions) {
  EXPECT_EQ(read("Match host box user you\n Port 1\n").settings.one("Port"), "22");
  EXPECT_EQ(read("User you\nMatch host b* user you\n Port 1\n").settings.one("Port"), "1");
  EXPECT_EQ(read("Match localuser me !host other\n Port 1\n").settings.one("Port"), "1");
  EXPECT_EQ(read("Match all\n Port 1\n").settings.one("Port"), "1");
}

TEST(ConfigReader, Match_host_sees_the_name_that_is_dialed_and_originalhost_the_one_that_was_typed) {
  const std::string text = "Hostname real.example\nMatch host real.example\n Port 1\nMatch originalhost box\n User u\n";
  const auto out = read(text);
  EXPECT_EQ(out.settings.one("Port"), "1");
  EXPECT_EQ(out.settings.one("User"), "u");
}

TEST(ConfigReader, Match_exec_runs_only_where_the_rest_matches) {
  EXPECT_EQ(read("Match host box exec \"test %h\"\n Port 1\n").run, std::vector<std::string>{"test box"});
  EXPECT_TRUE(read("Match host other exec \"test %h\"\n Port 1\n").run.empty());
  EXPECT_EQ(read("Match exec false\n Port 1\n", "box", false).settings.one("Port"), "22");
}

TEST(ConfigReader, Match_final_asks_for_a_second_reading) {
  const auto out = read("Match final\n Port 1\n");
  EXPECT_TRUE(out.wants_final);
  EXPECT_EQ(out.settings.one("Port"), "22");
}

TEST(ConfigReader, An_unknown_option_is_named_with_its_line_even_in_a_block_that_does_not_match) {
  const auto out = read("Host other\n Portt 1\n");
  ASSERT_EQ(out.errors.size(), 1u);
  EXPECT_NE(out.errors[0].find("line 2: Bad configuration option: Portt"), std::string::npos) << out.errors[0];
}

TEST(ConfigReader, Options_that_the_user_told_to_ignore_are_ignored) {
  EXPECT_TRUE(read("IgnoreUnknown Use*,X\nUseKeychain yes\nX 1\n").errors.empty());
}

TEST(ConfigReader, What_is_not_built_is_a_warning_and_its_no_is_none) {
  EXPECT_EQ(read("Tunnel yes\n").warnings.size(), 1u);
  EXPECT_TRUE(read("ForwardX11 no\nGSSAPIAuthentication yes\n").warnings.empty());
}

TEST(ConfigReader, What_older_versions_had_is_named_where_it_would_matter_and_read_over) {
  const auto usual = read("Protocol 2\nUsePrivilegedPort no\nUseRoaming no\nRSAAuthentication yes\nPort 2222\n");
  EXPECT_TRUE(usual.errors.empty() && usual.warnings.empty());
  EXPECT_EQ(usual.settings.one("Port"), "2222");
  const auto old = read("Protocol 1\nCipher des\nGSSAPITrustDns yes\n");
  EXPECT_TRUE(old.errors.empty());
  ASSERT_EQ(old.warnings.size(), 3u);
  EXPECT_NE(old.warnings[0].find("Protocol 1 is not supported"), std::string::npos) << old.warnings[0];
  EXPECT_NE(old.warnings[2].find("GSSAPITrustDns yes is not supported"), std::string::npos) << old.warnings[2];
}

TEST(ClientOptions, Keys_are_lent_to_the_agent_as_was_asked_for) {
  const auto loan = [](const std::string& words) {
    const auto out = options({"AddKeysToAgent " + words});
    return out ? std::optional(out->connection.keys.agent_loan) : std::nullopt;
  };
  EXPECT_FALSE(options({})->connection.keys.agent_loan.wanted);
  EXPECT_FALSE(loan("no")->wanted);
  EXPECT_TRUE(loan("yes")->wanted && !loan("yes")->ask_first && loan("yes")->constraints.lifetime_s == 0);
  EXPECT_TRUE(loan("ask")->ask_first);
  EXPECT_TRUE(loan("confirm")->constraints.confirm && loan("confirm 1h")->constraints.lifetime_s == 3600);
  EXPECT_EQ(loan("5m")->constraints.lifetime_s, 300u);
  for (const char* wrong : {"maybe", "yes 5", "0", "confirm never", "5m 6m"}) EXPECT_FALSE(loan(wrong)) << wrong;
}

TEST(ConfigReader, A_value_of_the_wrong_kind_is_a_mistake) {
  for (const char* line : {"Port 0", "Port x", "Port 65536", "BatchMode maybe", "ConnectTimeout 5x", "Port", "Port 1 2",
                           "StrictHostKeyChecking perhaps", "User \"open"}) {
    EXPECT_EQ(read(std::string(line) + "\n").errors.size(), 1u) << line;
  }
}

TEST(ConfigReader, Included_files_count_where_they_are_included) {
  const test::TempFolder folder;
  folder.write("one", "Port 1\n");
  folder.write("loop", "Include " + (folder / "loop") + "\n");
  EXPECT_EQ(read("Host other\n Include " + (folder / "one") + "\n").settings.one("Port"), "22");
  EXPECT_EQ(read("Host box\n Include " + (folder / "one") + "\n").settings.one("Port"), "1");
  EXPECT_EQ(read("Include " + (folder / "loop") + "\n").errors.size(), 1u);
}

TEST(ConfigReader, A_folder_that_an_include_means_too_is_passed_over_and_one_for_the_file_is_none) {
  const test::TempFolder folder;
  folder.write("one", "Port 1\n");
  ASSERT_EQ(::mkdir((folder / "other").c_str(), 0700), 0);
  const auto got = read("Include " + (folder / "o*") + "\n");
  EXPECT_EQ(got.settings.one("Port"), "1");
  EXPECT_TRUE(got.errors.empty());
  ClientSettings settings;
  ConfigReader reader(settings, {}, {});
  EXPECT_FALSE(reader.read_file(folder / "other", folder.path(), false));
}

TEST(ConfigReader, A_file_that_others_can_write_is_refused) {
  const test::TempFolder folder;
  folder.write("config", "Port 1\n");
  ::chmod((folder / "config").c_str(), 0666);
  ClientSettings settings;
  ConfigReader reader(settings, {}, {});
  reader.read_file(folder / "config", folder.path(), true);
  EXPECT_EQ(reader.errors().size(), 1u);
  EXPECT_FALSE(settings.has("Port"));
}

TEST(ClientOptions, Tokens_stand_for_host_port_and_user) {
  const auto out =
      options({"Hostname %h.example", "Port 2200", "User u", "ControlPath /t/%r@%h:%p-%n", "ProxyCommand nc %h %p %%"});
  ASSERT_TRUE(out) << out.error();
  EXPECT_EQ(out->host, "box.example");
  EXPECT_EQ(out->master.path, "/t/u@box.example:2200-box");
  EXPECT_EQ(out->proxy_command, "nc box.example 2200 %");
}

TEST(ClientOptions, An_unknown_token_is_named) {
  const auto out = options({"ControlPath /t/%Z"});
  ASSERT_FALSE(out);
  EXPECT_NE(out.error().find("%Z"), std::string::npos);
}

TEST(ClientOptions, A_destination_may_be_a_uri_and_flags_are_stronger) {
  const auto out = options({"Port 1"}, "ssh://ann@box.example:2022");
  ASSERT_TRUE(out) << out.error();
  EXPECT_EQ(out->user, "ann");
  EXPECT_EQ(out->host, "box.example");
  EXPECT_EQ(out->port, 1);
  EXPECT_EQ(options({}, "me@[::1]")->host, "::1");
}

TEST(ClientOptions, A_host_that_would_be_a_flag_is_none) {
  for (const char* text : {"-oProxyCommand=x", "u@-x", "@host", "ssh://host:0", ""}) {
    EXPECT_FALSE(parse_destination(text)) << text;
  }
}

TEST(ClientOptions, Lists_of_algorithms_can_be_changed) {
  const auto defaults = options({});
  const auto more = options({"Ciphers +aes128-cbc"});
  const auto less = options({"Ciphers -chacha20*"});
  const auto first = options({"Ciphers ^aes256-ctr"});
  ASSERT_TRUE(defaults && more && less && first);
  EXPECT_EQ(more->transport.ciphers.back(), "aes128-cbc");
  EXPECT_EQ(less->transport.ciphers.size(), defaults->transport.ciphers.size() - 1);
  EXPECT_EQ(first->transport.ciphers.front(), "aes256-ctr");
  EXPECT_EQ(first->transport.ciphers.size(), defaults->transport.ciphers.size());
}

TEST(ClientOptions, A_misspelt_algorithm_is_named_and_one_of_others_is_passed_over) {
  const auto wrong = options({"Ciphers aes128-gmc@openssh.com,aes256-ctr"});
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().find("aes128-gmc@openssh.com"), std::string::npos);
  EXPECT_TRUE(options({"MACs umac-128-etm@openssh.com,hmac-sha2-256"}));
}

TEST(ClientOptions, The_order_of_methods_prompts_and_rekeying_are_the_users) {
  const auto out = options({"PreferredAuthentications password,gssapi-with-mic,publickey", "NumberOfPasswordPrompts 1",
                            "RekeyLimit 64M 10m"});
  ASSERT_TRUE(out) << out.error();
  EXPECT_EQ(out->connection.order, (std::vector<AuthMethod>{AuthMethod::password, AuthMethod::publickey}));
  EXPECT_EQ(out->connection.password_prompts, 1u);
  EXPECT_EQ(out->rekey.volume_bytes, uint64_t{64} << 20);
  EXPECT_EQ(out->rekey.time_ns, uint64_t{600} * 1000000000u);
}

TEST(ClientOptions, Batch_mode_leaves_what_needs_no_user) {
  const auto out = options({"BatchMode yes"});
  ASSERT_TRUE(out) << out.error();
  EXPECT_EQ(out->connection.order, std::vector<AuthMethod>{AuthMethod::publickey});
  EXPECT_EQ(out->host_keys.strict, StrictHostKeys::yes);
}

TEST(ClientOptions, Variables_are_sent_by_pattern_and_set_by_name) {
  ::setenv("SLUICE_TEST_ONE", "1", 1);
  ::setenv("SLUICE_TEST_TWO", "2", 1);
  const auto out =
      options({"SendEnv SLUICE_TEST_ONE SLUICE_TEST_TWO", "SendEnv -SLUICE_TEST_T*", "SetEnv SLUICE_TEST_ONE=one X=y"});
  ASSERT_TRUE(out) << out.error();
  const std::vector<std::pair<std::string, std::string>> wanted{{"SLUICE_TEST_ONE", "one"}, {"X", "y"}};
  EXPECT_EQ(out->session.environment, wanted);
}

TEST(ClientOptions, A_jump_and_a_proxy_command_are_one_choice) {
  const auto jump = options({"ProxyJump a,u@b:2", "ProxyCommand nc %h %p"});
  ASSERT_TRUE(jump) << jump.error();
  EXPECT_EQ(jump->jumps, (std::vector<std::string>{"a", "u@b:2"}));
  EXPECT_EQ(jump->proxy_command, "");
  const auto none = options({"ProxyJump none"});
  ASSERT_TRUE(none) << none.error();
  EXPECT_TRUE(none->jumps.empty());
}

TEST(OptionValues, Times_and_sizes_have_units) {
  EXPECT_EQ(seconds_of("1h30m"), 5400);
  EXPECT_EQ(seconds_of("90"), 90);
  EXPECT_EQ(seconds_of("5x"), -1);
  EXPECT_EQ(bytes_of_size("16K"), 16384);
  EXPECT_EQ(bytes_of_size("1G"), 1 << 30);
  EXPECT_EQ(bytes_of_size("99999999999G"), -1);
}

}  // namespace
}  // namespace sluice
