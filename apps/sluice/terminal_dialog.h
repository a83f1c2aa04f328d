// TerminalDialog: a ClientDialog with the user at his terminal. Questions wait on threads of the pool.
//
// What was answered is remembered while the program runs, so that a second connection to the same host asks nothing.
#pragma once

#include <atomic>
#include <map>
#include <mutex>

#include "apps/sluice/terminal_prompt.h"
#include "control/client/client_dialog.h"
#include "control/work_pool.h"

namespace sluice {

class TerminalDialog final : public ClientDialog {
 public:
  struct Manner {
    bool batch = false;      // nobody is asked
    bool show = true;        // banners and notices
    std::string whose = {};  // "user@host": before a server's own questions
    // Called on the pool when a question begins, and when it has its answer: a session may read from the same terminal.
    std::function<void(bool asking)> around = {};
  };

  TerminalDialog(WorkPool& pool, Manner manner) : pool_(pool), manner_(std::move(manner)) {}

  // The connection is over or the program ends: open questions are given up.
  void cancel() { prompt_.cancel(); }
  // Before a further connection: answers are given again, once each, and with `alone` nobody is asked beyond them.
  void begin_again(bool alone);

  // Any thread.
  static void print(std::string_view text);

 private:
  void show(std::string_view text) override;
  void ask_words(std::string_view question, Words then) override;
  void ask_passphrase(std::string_view key_path, unsigned attempt, Hidden then) override;
  void ask_password(std::string_view prompt, Hidden then) override;
  void ask_new_password(std::string_view prompt, Hidden then) override;
  void ask_prompts(const PromptSet& prompts, Answers then) override;

  // `then` on control's thread.
  void ask(std::string question, Echo echo, AskKind kind, bool remember, Hidden then);
  std::optional<Secret> recall(const std::string& question);
  void remember(const std::string& question, const Secret& answer);

  WorkPool& pool_;
  Manner manner_;
  TerminalPrompt prompt_;
  // Control's thread alone.
  std::map<std::string, Secret> known_;
  std::map<std::string, bool> given_;
  bool recalling_ = false;
  bool alone_ = false;
};

}  // namespace sluice
