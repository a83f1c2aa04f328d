// Lines of sluice sftp: words with quotes as OpenSSH's sftp reads them, commands with flags.
#include "apps/sluice/sftp/sftp_command.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

std::vector<std::string> texts(std::string_view line) {
  std::vector<std::string> out;
  for (const ShellWord& word : split_sftp_words(line).words) out.push_back(word.text);
  return out;
}

using Texts = std::vector<std::string>;

TEST(SftpWords, Quotes_and_backslashes_keep_spaces_together) {
  EXPECT_EQ(texts("get a b"), (Texts{"get", "a", "b"}));
  EXPECT_EQ(texts("  get\t'a b'  \"c d\" e\\ f "), (Texts{"get", "a b", "c d", "e f"}));
  EXPECT_EQ(texts(R"(put a"b c"d'e f'g)"), (Texts{"put", "ab cde fg"}));
  EXPECT_EQ(texts(R"(rm "a\"b" 'c\'d' "e\\f" "g\h")"), (Texts{"rm", "a\"b", "c'd", "e\\f", "g\\h"}));
  EXPECT_EQ(texts(R"(mkdir "" '')"), (Texts{"mkdir", "", ""}));
}

TEST(SftpWords, A_comment_begins_only_where_a_word_does) {
  EXPECT_EQ(texts("ls # all"), (Texts{"ls"}));
  EXPECT_EQ(texts("# nothing"), Texts{});
  EXPECT_EQ(texts("get a#b '#c' \\#d"), (Texts{"get", "a#b", "#c", "#d"}));
}

TEST(SftpWords, Only_bare_characters_are_patterns) {
  const auto words = split_sftp_words(R"(*.c '*.c' \*.c "?" a[b] "a[b]")").words;
  ASSERT_EQ(words.size(), 6u);
  const auto pattern = [&](size_t i) { return is_pattern(words[i], 0, words[i].text.size()); };
  EXPECT_TRUE(pattern(0));
  EXPECT_FALSE(pattern(1));
  EXPECT_FALSE(pattern(2));
  EXPECT_FALSE(pattern(3));
  EXPECT_TRUE(pattern(4));
  EXPECT_FALSE(pattern(5));
}

TEST(SftpWords, What_is_quoted_reads_as_it_was) {
  for (const char* text : {"plain", "a b", "it's", "say \"x\"", "back\\slash", "*?[x]", "#x", "tab\there"}) {
    for (const char quote : {'\0', '\'', '"'}) {
      std::string line = "get ";
      if (quote) line.push_back(quote);
      line += quote_sftp_word(text, quote);
      if (quote) line.push_back(quote);
      const auto words = split_sftp_words(line).words;
      ASSERT_EQ(words.size(), 2u) << line;
      EXPECT_EQ(words[1].text, text) << line;
      EXPECT_FALSE(is_pattern(words[1], 0, words[1].text.size())) << line;
    }
  }
}

TEST(SftpCommand, Flags_come_in_any_grouping_and_end_with_two_dashes) {
  const auto get = parse_sftp_command("get -pr -a remote local");
  ASSERT_TRUE(get);
  EXPECT_EQ(get->verb, SftpVerb::get);
  EXPECT_TRUE(get->flags.preserve && get->flags.recursive && get->flags.resume);
  ASSERT_EQ(get->paths.size(), 2u);
  EXPECT_EQ(get->paths[1].text, "local");
  const auto dashed = parse_sftp_command("rm -- -file");
  ASSERT_TRUE(dashed);
  EXPECT_EQ(dashed->paths[0].text, "-file");
  const auto quoted = parse_sftp_command("rm \"-file\"");
  ASSERT_TRUE(quoted) << quoted.error();
  EXPECT_EQ(quoted->paths[0].text, "-file");
}

TEST(SftpCommand, Letters_mean_what_their_command_says) {
  EXPECT_TRUE(parse_sftp_command("ls -a")->flags.all);
  EXPECT_TRUE(parse_sftp_command("put -a x")->flags.resume);
  EXPECT_TRUE(parse_sftp_command("ls -r")->flags.reversed);
  EXPECT_TRUE(parse_sftp_command("get -r x")->flags.recursive);
  EXPECT_TRUE(parse_sftp_command("get -f x")->flags.sync);
  EXPECT_TRUE(parse_sftp_command("ls -f")->flags.in_order);
  EXPECT_TRUE(parse_sftp_command("df -hi")->flags.inodes);
  EXPECT_TRUE(parse_sftp_command("chmod -h 600 x")->flags.of_links);
  EXPECT_TRUE(parse_sftp_command("symlink a b")->flags.symbolic);
  EXPECT_FALSE(parse_sftp_command("ln a b")->flags.symbolic);
  EXPECT_TRUE(parse_sftp_command("reput a")->flags.resume);
  EXPECT_TRUE(parse_sftp_command("rename -l a b")->flags.plain);
}

TEST(SftpCommand, Prefixes_ignore_errors_and_silence) {
  const auto both = parse_sftp_command("-@ls");
  ASSERT_TRUE(both);
  EXPECT_TRUE(both->ignore_errors && both->silent);
  EXPECT_EQ(both->verb, SftpVerb::ls);
  EXPECT_TRUE(parse_sftp_command("  - rm x")->ignore_errors);
  EXPECT_EQ(parse_sftp_command("  -  ")->verb, SftpVerb::nothing);
  std::string_view wrong = " -@ gte x";
  EXPECT_FALSE(parse_sftp_command(wrong));
  const SftpPrefix prefix = take_sftp_prefix(wrong);
  EXPECT_TRUE(prefix.ignore_errors && prefix.silent);
  EXPECT_EQ(wrong, "gte x");
}

TEST(SftpCommand, Numbers_are_octal_for_modes_and_decimal_for_ids) {
  EXPECT_EQ(parse_sftp_command("chmod 4755 f")->number, 04755u);
  EXPECT_EQ(parse_sftp_command("lumask 27")->number, 027u);
  EXPECT_EQ(parse_sftp_command("chown 1000 f")->number, 1000u);
  for (const char* wrong : {"chmod u+x f", "chmod 8 f", "chmod 17777 f", "chmod", "chown ann f", "chgrp -5 f",
                            "chown 4294967296 f", "lumask", "lumask x"}) {
    EXPECT_FALSE(parse_sftp_command(wrong)) << wrong;
  }
}

TEST(SftpCommand, A_shell_command_keeps_its_own_quotes) {
  EXPECT_EQ(parse_sftp_command("!echo 'a b' | wc")->shell, "echo 'a b' | wc");
  EXPECT_EQ(parse_sftp_command("  ! ")->shell, "");
  EXPECT_EQ(parse_sftp_command("lls -l 'x y'")->shell, "ls -l 'x y'");
}

TEST(SftpCommand, What_is_wrong_is_named) {
  EXPECT_NE(parse_sftp_command("gte x").error().find("Invalid command"), std::string::npos);
  EXPECT_NE(parse_sftp_command("get -x y").error().find("-x"), std::string::npos);
  EXPECT_NE(parse_sftp_command("get").error().find("at least one path"), std::string::npos);
  EXPECT_NE(parse_sftp_command("rename a").error().find("two paths"), std::string::npos);
  EXPECT_NE(parse_sftp_command("get a b c").error().find("too many"), std::string::npos);
  EXPECT_NE(parse_sftp_command("mget a b c").error().find("get [-afpR]"), std::string::npos);
  EXPECT_NE(parse_sftp_command("get 'a").error().find("Unterminated"), std::string::npos);
  EXPECT_FALSE(parse_sftp_command(std::string(kMaxSftpLine + 1, 'x')));
}

TEST(SftpCommand, Every_command_is_in_the_help_once) {
  const std::string help = sftp_help();
  for (const SftpVerbRow& row : sftp_verbs()) {
    if (row.usage.empty()) continue;
    EXPECT_NE(help.find("\n" + std::string(row.usage) + " "), std::string::npos) << row.name;
  }
}

}  // namespace
}  // namespace sluice
