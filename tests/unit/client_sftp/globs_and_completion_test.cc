// Patterns in paths and completion of lines, over names that the test makes up.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "apps/sluice/sftp/completion.h"

namespace sluice {
namespace {

// Paths that end in a slash are folders.
class MadeUp final : public NameSource {
 public:
  explicit MadeUp(std::set<std::string> paths) : paths_(std::move(paths)) {}

  std::vector<Name> names(const std::string& folder) override {
    std::map<std::string, bool> found;
    for (const std::string& path : paths_) {
      if (!path.starts_with(folder) || path.size() == folder.size()) continue;
      const std::string rest = path.substr(folder.size());
      const size_t slash = rest.find('/');
      if (rest.substr(0, slash).empty()) continue;
      found[rest.substr(0, slash)] |= slash != std::string::npos;
    }
    std::vector<Name> out;
    for (const auto& [name, is_dir] : found) out.push_back({name, is_dir});
    return out;
  }
  bool exists(const std::string& path) override { return paths_.contains(path) || is_folder(path); }
  bool is_folder(const std::string& path) override {
    const std::string with = path.ends_with('/') ? path : path + "/";
    return std::any_of(paths_.begin(), paths_.end(), [&](const auto& p) { return p.starts_with(with); });
  }

 private:
  std::set<std::string> paths_;
};

using Paths = std::vector<std::string>;

Paths expand(std::string_view typed, NameSource& source) {
  return expand_path(split_sftp_words(typed).words.front(), source);
}

TEST(PathGlobs, Patterns_are_looked_up_component_by_component) {
  MadeUp source({"a/x.c", "a/y.c", "a/y.h", "b/x.c", "c", ".hidden", "/abs/1", "/abs/2"});
  EXPECT_EQ(expand("*", source), (Paths{"a", "b", "c"}));
  EXPECT_EQ(expand("*/x.?", source), (Paths{"a/x.c", "b/x.c"}));
  EXPECT_EQ(expand("a/[x-y].[!h]", source), (Paths{"a/x.c", "a/y.c"}));
  EXPECT_EQ(expand("a/**.c", source), (Paths{"a/x.c", "a/y.c"}));
  EXPECT_EQ(expand("/abs/*", source), (Paths{"/abs/1", "/abs/2"}));
  EXPECT_EQ(expand(".h*", source), (Paths{".hidden"}));
  EXPECT_EQ(expand("*/", source), (Paths{"a/", "b/"}));
}

TEST(PathGlobs, A_word_without_a_pattern_is_itself_or_nothing) {
  MadeUp source({"a/x.c", "*", "we[i]rd"});
  EXPECT_EQ(expand("a/x.c", source), (Paths{"a/x.c"}));
  EXPECT_EQ(expand("a/z.c", source), Paths{});
  EXPECT_EQ(expand("'*'", source), (Paths{"*"}));
  EXPECT_EQ(expand("we\\[i\\]rd", source), (Paths{"we[i]rd"}));
  EXPECT_EQ(expand("z*", source), Paths{});
  EXPECT_EQ(expand("nowhere/*", source), Paths{});
}

TEST(PathGlobs, Names_and_paths_are_joined_and_taken_apart) {
  EXPECT_EQ(path_in("a", "b"), "a/b");
  EXPECT_EQ(path_in("a/", "b"), "a/b");
  EXPECT_EQ(path_in("", "b"), "b");
  EXPECT_EQ(path_in("a", "/b"), "/b");
  EXPECT_EQ(path_in("/", "b"), "/b");
  EXPECT_EQ(base_name("a/b"), "b");
  EXPECT_EQ(base_name("a/b//"), "b");
  EXPECT_EQ(base_name("/"), "");
}

class Completing : public testing::Test {
 protected:
  Completion complete(std::string_view line) { return complete_sftp_line(line, remote_, local_); }
  MadeUp remote_{{"alpha/one", "alpha/two", "alpine", "my file", "my folder/x", ".secret", "uml\xC3\xA4ut",
                  "uml\xC3\xB6ut", "ctl\x1b[31m"}};
  MadeUp local_{{"local1", "local2", "other"}};
};

TEST_F(Completing, Commands_are_completed_in_the_first_word) {
  EXPECT_EQ(complete("symli").insert, "nk ");
  EXPECT_EQ(complete("-symli").insert, "nk ");
  EXPECT_EQ(complete("re").insert, "");
  EXPECT_EQ(complete("re").choices, (Paths{"reget", "rename", "reput"}));
  EXPECT_EQ(complete("xyz").insert, "");
  EXPECT_GT(complete("").choices.size(), 20u);
}

TEST_F(Completing, The_first_path_of_get_is_remote_and_the_second_local) {
  EXPECT_EQ(complete("get alpi").insert, "ne ");
  EXPECT_EQ(complete("get alp").choices, (Paths{"alpha/", "alpine"}));
  EXPECT_EQ(complete("get -p alpine lo").insert, "cal");
  EXPECT_EQ(complete("get alpine ot").insert, "her ");
  EXPECT_EQ(complete("put ot").insert, "her ");
  EXPECT_EQ(complete("put other alpi").insert, "ne ");
  EXPECT_EQ(complete("chmod 644 alpi").insert, "ne ");
  EXPECT_EQ(complete("chmod al").insert, "");
  EXPECT_EQ(complete("pwd al").insert, "");
}

TEST_F(Completing, Folders_get_a_slash_and_go_on) {
  EXPECT_EQ(complete("cd alph").insert, "a/");
  EXPECT_EQ(complete("get alpha/o").insert, "ne ");
  EXPECT_EQ(complete("get alpha/").choices, (Paths{"one", "two"}));
}

TEST_F(Completing, Spaces_are_quoted_as_the_word_was_begun) {
  EXPECT_EQ(complete("get my\\ fi").insert, "le ");
  EXPECT_EQ(complete("get m").insert, "y\\ f");
  EXPECT_EQ(complete("get \"my fi").insert, "le\" ");
  EXPECT_EQ(complete("cd 'my fo").insert, "lder/");
}

TEST_F(Completing, Hidden_names_need_their_dot) {
  EXPECT_EQ(complete("get .").insert, "secret ");
  for (const std::string& choice : complete("get ").choices) EXPECT_FALSE(choice.starts_with('.')) << choice;
}

TEST_F(Completing, A_character_of_several_bytes_is_not_cut) { EXPECT_EQ(complete("get u").insert, "ml"); }

TEST_F(Completing, A_name_that_would_play_with_the_terminal_is_neither_typed_nor_shown) {
  EXPECT_EQ(complete("get ct").insert, "");
  for (const std::string& choice : complete("get ").choices) {
    for (const char c : choice) EXPECT_GE(static_cast<unsigned char>(c), 32);
  }
}

}  // namespace
}  // namespace sluice
