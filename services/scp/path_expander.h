// PathExpander: the paths that a command's words come to, as a shell makes them: `~`, then patterns, component by
// component, by the user's broker.
#pragma once

#include "services/connection/connection_services.h"
#include "services/scp/shell_words.h"

namespace sluice {

// What a shell could pass to a program; each is kept until it was sent.
inline constexpr size_t kMaxExpandedBytes = 2 * 1024 * 1024;
// No path is longer; what is stays as it is.
inline constexpr size_t kMaxPattern = 4096;
// A pattern's length times the names that are compared with it in one turn.
inline constexpr size_t kMaxPatternWork = 32 * 1024;

class PathExpander {
 public:
  // Sorted word by word; a word that matches nothing stays as it is. Nothing: more than a command may have.
  using Then = std::function<void(std::optional<std::vector<std::string>>)>;

  explicit PathExpander(ConnectionServices& connection) : connection_(connection), caller_(connection.broker()) {}

  // `then` is called once, perhaps inside the call, unless this is gone by then.
  void expand(std::vector<ShellWord> words, Then then);

 private:
  struct Part {
    size_t from, to;
  };

  void next_word();
  void expand_home();
  uint32_t names_at_once() const;
  void begin_word();
  void next_part();
  void look_into(size_t index);
  void read_folder(uint32_t handle, size_t index);
  bool keep(std::vector<std::string>& paths, std::string path);
  void check(size_t index);
  void end_word();
  const ShellWord& word() const { return words_[word_]; }

  ConnectionServices& connection_;
  std::vector<ShellWord> words_;
  Then then_;
  size_t word_ = 0;
  std::vector<std::string> results_;
  size_t bytes_ = 0;

  // Of the word at hand: what its first components came to, with a slash behind them, and what is left of it.
  std::vector<std::string> found_, next_;
  size_t at_ = 0;
  Part part_{};
  bool exact_ = false;  // the last of it was a pattern: what was found is there
  BrokerCaller caller_;
};

}  // namespace sluice
