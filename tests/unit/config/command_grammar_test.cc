// The grammar: what may follow, help, and that the table itself keeps the grammar's rules.
#include <algorithm>
#include <set>

#include "tests/unit/config/config_world.h"

namespace sluice::test {
namespace {

std::vector<std::string> words(std::string_view line, Mode mode = Mode::global) {
  std::vector<std::string> found;
  for (const Candidate& candidate : config_grammar().complete(mode, line, Platform::sluice))
    found.push_back(candidate.word);
  return found;
}

using Words = std::vector<std::string>;

TEST(CommandGrammar, completes_a_word_that_has_begun) {
  EXPECT_EQ(words("ssh server rekey-v"), Words{"rekey-volume"});
  EXPECT_EQ(words("ssh t"), Words{"timeout"});
  EXPECT_EQ(words("ssh server algorithms cipher aes128-c"), (Words{"aes128-cbc", "aes128-ctr"}));
  EXPECT_EQ(words("ssh server enable cipher a"), Words{"aes-cbc"});
  EXPECT_EQ(words("key", Mode::pubkey_user), (Words{"key-hash", "key-string"}));
  EXPECT_EQ(words("nonsense x"), Words{});
}

TEST(CommandGrammar, offers_what_may_follow_behind_a_blank) {
  EXPECT_EQ(words("ssh "), (Words{"client", "server", "timeout"}));
  EXPECT_EQ(words("ssh timeout "), Words{"<5-120>"});
  EXPECT_EQ(words("ssh timeout 30 "), Words{"<cr>"});
  EXPECT_EQ(words("no ssh timeout "), (Words{"<5-120>", "<cr>"}));
  EXPECT_EQ(words("ip ssh version "), (Words{"1", "2", "<cr>"}));
  EXPECT_EQ(words("ssh server vrf red "), (Words{"ipv4", "ipv6", "<cr>"}));
  EXPECT_EQ(words("ssh server vrf red ipv6 access-list a "), Words{"<cr>"});
}

TEST(CommandGrammar, helps_with_every_word) {
  for (const std::string_view line :
       {"", "ssh ", "ssh server ", "ip ssh ", "sftp server ", "crypto offload ", "login "}) {
    for (const Candidate& candidate : config_grammar().complete(Mode::global, line, Platform::sluice)) {
      if (candidate.word == "<cr>") continue;
      EXPECT_FALSE(candidate.help.empty()) << line << candidate.word;
      // What is completed goes on being understood.
      if (candidate.literal) {
        EXPECT_FALSE(words(text(line, candidate.word, " ")).empty()) << line << candidate.word;
      }
    }
  }
  EXPECT_EQ(config_grammar().complete(Mode::global, "ssh ser", Platform::sluice)[0].help, "Provide SSH server service");
  EXPECT_EQ(config_grammar().complete(Mode::global, "ssh tim", Platform::sluice)[0].help, "Set timeout value for SSH");
}

TEST(CommandTable, shares_help_for_every_keyword_that_several_commands_begin_with) {
  const CommandGrammar& grammar = config_grammar();
  std::map<std::string, std::set<std::string_view>> settings;
  for (const CommandRow& row : grammar.rows()) {
    if (row.mode != Mode::global || row.pattern.front() == '{') continue;
    // Up to the last keyword before a value.
    for (size_t blank = 0; (blank = row.pattern.find(' ', blank)) != std::string_view::npos; ++blank) {
      const std::string_view begin = row.pattern.substr(0, blank);
      const char next = row.pattern[blank + 1];
      if (begin.find_first_of("[{<ABCDEFGHIJKLMNOPQRSTUVWXYZ") != std::string_view::npos) break;
      if (next < 'a' || next > 'z') break;
      settings[std::string(begin)].insert(row.setting);
    }
  }
  for (const auto& [begin, which] : settings) {
    if (which.size() > 1) {
      EXPECT_FALSE(shared_help(begin).empty()) << begin;
    }
  }
}

TEST(CommandTable, has_no_place_where_a_name_could_be_a_keyword) {
  for (const CommandRow& row : config_commands()) {
    const CommandPattern& pattern = config_grammar().pattern_of(row);
    for (const PatternElement& element : pattern.elements) {
      const bool frees = std::any_of(element.next.begin(), element.next.end(), [&](uint16_t index) {
        const PatternElement& next = pattern.elements[index];
        return next.kind && !next.kind->candidates && next.kind->extent == ValueExtent::word && next.kind->check("zz");
      });
      const bool keywords = std::any_of(element.next.begin(), element.next.end(), [&](uint16_t index) {
        return pattern.elements[index].type == PatternElement::Type::keyword;
      });
      EXPECT_FALSE(frees && keywords) << row.pattern;
    }
  }
}

TEST(CommandTable, writes_keys_first_and_gives_rows_of_one_setting_the_same_mode) {
  std::map<std::pair<std::string_view, Mode>, uint8_t> keys;
  for (const CommandRow& row : config_commands()) {
    EXPECT_LE(row.keys, config_grammar().pattern_of(row).values) << row.pattern;
    EXPECT_FALSE(row.help.empty()) << row.pattern;
    EXPECT_TRUE(row.binding.set && row.binding.negate && row.binding.reset && row.binding.lines) << row.pattern;
    const auto [found, added] = keys.try_emplace({row.setting, row.mode}, row.keys);
    EXPECT_EQ(found->second, row.keys) << row.pattern;
  }
}

}  // namespace
}  // namespace sluice::test
