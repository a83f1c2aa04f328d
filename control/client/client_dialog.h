// ClientDialog: what a client's connection asks and tells its user, through the application.
//
// One thread, control's: the application must not wait there. Each question is answered once, at once or later, by
// calling `then` on that thread; nothing means that the user gave up. A connection that is gone ignores the answer.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "control/auth/auth_messages.h"

namespace sluice {

class ClientDialog {
 public:
  virtual ~ClientDialog() = default;
  using Words = std::function<void(std::optional<std::string>)>;
  using Hidden = std::function<void(std::optional<Secret>)>;
  using Answers = std::function<void(std::optional<std::vector<Secret>>)>;

  // Banners, warnings and news; fit for a terminal, whole lines.
  virtual void show(std::string_view text) = 0;
  // A line that may be seen as it is typed: about host keys.
  virtual void ask_words(std::string_view question, Words then) = 0;
  virtual void ask_passphrase(std::string_view key_path, unsigned attempt, Hidden then) = 0;
  virtual void ask_password(std::string_view prompt, Hidden then) = 0;
  // Twice; a mismatch is the application's to repeat.
  virtual void ask_new_password(std::string_view prompt, Hidden then) = 0;
  // The server's own words: the application shows whose they are, or a server could pose as a local program.
  virtual void ask_prompts(const PromptSet& prompts, Answers then) = 0;
};

}  // namespace sluice
