// TerminalPrompt: a question on the controlling terminal, or through SSH_ASKPASS, and what the user types.
#pragma once

#include <optional>
#include <string_view>

#include "base/secret.h"
#include "base/unique_fd.h"

namespace sluice {

enum class Echo : uint8_t { off, on };
// What a helper program is told to show (SSH_ASKPASS_PROMPT).
enum class AskKind : uint8_t { secret, confirm };

// A line longer than that is no answer.
inline constexpr size_t kMaxTyped = 1024;

class TerminalPrompt {
 public:
  TerminalPrompt();

  // Waits for the user. Nothing: there is nobody, he gave up, or cancel() was called.
  std::optional<Secret> ask(std::string_view question, Echo echo, AskKind kind = AskKind::secret);
  // Waits for a yes: typed, or a helper's success. A terminal that a session has is not taken from it.
  bool confirm(std::string_view question);
  // From another thread: questions end without an answer from now on.
  void cancel();

 private:
  std::optional<Secret> ask_terminal(int terminal, std::string_view question, Echo echo);
  std::optional<Secret> ask_helper(const char* program, std::string_view question, AskKind kind) const;

  UniqueFd cancelled_;
};

}  // namespace sluice
