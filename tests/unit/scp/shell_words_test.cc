// What a shell would make of a command, and what scp's commands and lines come to.
#include <gtest/gtest.h>

#include "services/scp/scp_command.h"

namespace sluice {
namespace {

std::vector<std::string> texts(std::string_view command) {
  const auto words = split_shell_words(command);
  std::vector<std::string> out;
  if (!words) return {"(needs a shell)"};
  for (const ShellWord& word : *words) out.push_back(word.text);
  return out;
}

using Words = std::vector<std::string>;

TEST(ShellWords, are_split_and_lose_their_quotes) {
  EXPECT_EQ(texts("scp -t  'a b'\t\"c d\" e\\ f"), (Words{"scp", "-t", "a b", "c d", "e f"}));
  EXPECT_EQ(texts("a'b'\"c\"d ''"), (Words{"abcd", ""}));
  EXPECT_EQ(texts("'it'\\''s'"), (Words{"it's"}));
  EXPECT_EQ(texts("\"a\\\"b\\$c\\d\""), (Words{"a\"b$c\\d"}));
  EXPECT_EQ(texts("a#b"), (Words{"a#b"}));
  EXPECT_EQ(texts("  "), (Words{}));
}

TEST(ShellWords, are_left_to_a_shell_where_only_that_understands_them) {
  for (const char* command : {"a $HOME", "a `b`", "a; b", "a & b", "a|b", "a > b", "a < b", "(a)", "a\nb", "{a,b}",
                              "\"$x\"", "\"`x`\"", "'a", "\"a", "a\\", "a #b"}) {
    EXPECT_EQ(texts(command), (Words{"(needs a shell)"})) << command;
  }
  EXPECT_EQ(texts(std::string_view("a\0b", 3)), (Words{"(needs a shell)"}));
}

bool matches(std::string_view name, std::string_view pattern) {
  const auto words = split_shell_words(pattern);
  return words && words->size() == 1 && matches_pattern(name, words->front(), 0, words->front().text.size());
}

TEST(ShellWords, match_as_patterns_do) {
  EXPECT_TRUE(matches("abc", "*"));
  EXPECT_TRUE(matches("abc", "a*c"));
  EXPECT_TRUE(matches("abcabc", "*bc"));
  EXPECT_FALSE(matches("abcabd", "*bc"));
  EXPECT_TRUE(matches("abc", "a?c"));
  EXPECT_FALSE(matches("ac", "a?c"));
  EXPECT_TRUE(matches("b", "[abc]"));
  EXPECT_TRUE(matches("b", "[a-c]"));
  EXPECT_FALSE(matches("d", "[a-c]"));
  EXPECT_TRUE(matches("d", "[!a-c]"));
  EXPECT_TRUE(matches("]", "[]]"));
  EXPECT_TRUE(matches("-", "[a-]"));
  EXPECT_TRUE(matches("[a", "[a"));
  EXPECT_FALSE(matches(".hidden", "*"));
  EXPECT_TRUE(matches(".hidden", ".*"));
  EXPECT_FALSE(matches("abc", "'*'"));
  EXPECT_TRUE(matches("*", "\\*"));
  EXPECT_TRUE(matches("\xff", "[\xfe-\xff]"));
  // No pattern takes more than the product of the lengths.
  EXPECT_FALSE(matches(std::string(2000, 'a'), std::string("*a*a*a*a*a*a*a*a*a*a*a*a*b")));
}

TEST(ScpCommand, is_what_clients_send) {
  const auto openssh = parse_scp_command("scp -v -r -p -d -t -- -odd");
  ASSERT_TRUE(openssh);
  EXPECT_TRUE(openssh->sink && openssh->recursive && openssh->preserve && openssh->to_folder);
  EXPECT_EQ(openssh->paths.at(0).text, "-odd");
  const auto source = parse_scp_command("scp -prf 'a b' c");
  ASSERT_TRUE(source);
  EXPECT_FALSE(source->sink);
  EXPECT_EQ(source->paths.size(), 2u);
  EXPECT_TRUE(parse_scp_command("scp -l 100 -q -t x"));
  EXPECT_TRUE(parse_scp_command("scp -l100 -t x"));
}

TEST(ScpCommand, is_not_another_program) {
  for (const char* command : {"", "scp", "scp a b", "scp -t", "scp -t -f x", "scp -tS evil x", "scp -o X=1 -t x",
                              "scp -t x; rm y", "/bin/scp -t x", "rsync -t x", "scp -t $x", "scp -l"}) {
    EXPECT_FALSE(parse_scp_command(command)) << command;
  }
}

std::string bad(std::string_view line) {
  const ScpLine parsed = parse_scp_line(line);
  const auto* why = std::get_if<ScpBadLine>(&parsed);
  return why ? why->text : "";
}

TEST(ScpLine, has_a_mode_a_size_and_a_name) {
  const ScpLine line = parse_scp_line("C0644 5000000000 a name\xff");
  const auto* entry = std::get_if<ScpEntry>(&line);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->mode, 0644u);
  EXPECT_EQ(entry->size, 5000000000u);
  EXPECT_EQ(entry->name, "a name\xff");
  const ScpLine folder = parse_scp_line("D4755 0 f");
  EXPECT_TRUE(std::get<ScpEntry>(folder).folder);
  const ScpLine times = parse_scp_line("T12 3 45 6");
  EXPECT_EQ(std::get<ScpTimes>(times).times.modified, (FileTime{12, 3000}));
  EXPECT_EQ(std::get<ScpTimes>(times).times.accessed, (FileTime{45, 6000}));
}

TEST(ScpLine, leads_nowhere_else_and_overflows_nothing) {
  for (const char* line : {"C0644 1 ", "C0644 1 .", "C0644 1 ..", "C0644 1 a/b", "C0644 1 /etc/passwd", "D0755 0 ..",
                           "D0755 0 ../x", "D0755 0 /"}) {
    EXPECT_NE(bad(line).find("unexpected filename"), std::string::npos) << line;
  }
  for (const char* line : {"",
                           "X",
                           "C",
                           "C064",
                           "C06444 1 a",
                           "C0849 1 a",
                           "C0644 -1 a",
                           "C0644 +1 a",
                           "C0644  1 a",
                           "C0644 1",
                           "C0644 9223372036854775808 a",
                           "C0644 99999999999999999999999 a",
                           "T",
                           "T1 0 1",
                           "T1 1000000 1 0",
                           "T99999999999999999999 0 1 0",
                           "T1 0 1 0 ",
                           "T-1 0 1 0",
                           "E1",
                           "D0755 x f"}) {
    EXPECT_NE(bad(line).find("protocol error"), std::string::npos) << line;
  }
  EXPECT_NE(bad(std::string_view("C0644 1 a\0b", 11)), "");
}

}  // namespace
}  // namespace sluice
