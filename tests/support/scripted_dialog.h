// A user for tests: answers prepared beforehand, everything shown and asked kept.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "control/client/client_dialog.h"

namespace sluice::test {

class ScriptedDialog final : public ClientDialog {
 public:
  std::string shown;
  std::vector<std::string> asked;
  // Each is used up in turn; without one the user gives up.
  std::deque<std::string> words, passphrases, passwords, new_passwords, answers;
  // Questions stay open.
  bool silent = false;

 private:
  template <class Then>
  void answer(std::string question, std::deque<std::string>& from, const Then& then) {
    asked.push_back(std::move(question));
    if (silent) return;
    if (from.empty()) return then(std::nullopt);
    const std::string text = std::move(from.front());
    from.pop_front();
    if constexpr (std::is_same_v<Then, Words>) {
      then(text);
    } else {
      then(Secret(bytes_of(text)));
    }
  }

  void show(std::string_view text) override { shown.append(text); }
  void ask_words(std::string_view question, Words then) override { answer(std::string(question), words, then); }
  void ask_passphrase(std::string_view path, unsigned, Hidden then) override {
    answer(std::string(path), passphrases, then);
  }
  void ask_password(std::string_view prompt, Hidden then) override { answer(std::string(prompt), passwords, then); }
  void ask_new_password(std::string_view prompt, Hidden then) override {
    answer(std::string(prompt), new_passwords, then);
  }
  void ask_prompts(const PromptSet& set, Answers then) override {
    std::vector<Secret> typed;
    for (const Prompt& prompt : set.prompts) {
      asked.push_back(prompt.text);
      if (silent) return;
      if (answers.empty()) return then(std::nullopt);
      typed.emplace_back(bytes_of(answers.front()));
      answers.pop_front();
    }
    then(std::move(typed));
  }
};

}  // namespace sluice::test
