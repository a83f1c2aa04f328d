// Each question to the pool and its answer back.
#include "apps/sluice/terminal_dialog.h"

#include <unistd.h>

#include "apps/terminal/terminal_guard.h"

namespace sluice {

void TerminalDialog::print(std::string_view text) {
  std::string out;
  const bool raw = a_terminal_is_raw();
  for (const char c : text) {
    if (c == '\n' && raw) out.push_back('\r');
    out.push_back(c);
  }
  [[maybe_unused]] const ssize_t n = ::write(STDERR_FILENO, out.data(), out.size());
}

void TerminalDialog::show(std::string_view text) {
  if (manner_.show) print(text);
}

void TerminalDialog::begin_again(bool alone) {
  recalling_ = true;
  alone_ = alone;
  given_.clear();
}

std::optional<Secret> TerminalDialog::recall(const std::string& question) {
  if (!recalling_) return std::nullopt;
  const auto found = known_.find(question);
  if (found == known_.end() || std::exchange(given_[question], true)) return std::nullopt;
  return Secret(found->second.view());
}

void TerminalDialog::remember(const std::string& question, const Secret& answer) {
  known_.insert_or_assign(question, Secret(answer.view()));
}

void TerminalDialog::ask(std::string question, Echo echo, AskKind kind, bool keep, Hidden then) {
  if (auto known = recall(question)) return then(std::move(known));
  if (manner_.batch || alone_) return then(std::nullopt);
  auto typed = std::make_shared<std::optional<Secret>>();
  const bool asked = pool_.run(
      {.source = "the user", .line = 1},
      [this, question, echo, kind, typed] {
        if (manner_.around) manner_.around(true);
        *typed = prompt_.ask(question, echo, kind);
        if (manner_.around) manner_.around(false);
      },
      [this, question, keep, typed, then] {
        if (keep && *typed) remember(question, **typed);
        then(std::move(*typed));
      });
  if (!asked) then(std::nullopt);
}

void TerminalDialog::ask_words(std::string_view question, Words then) {
  ask(std::string(question), Echo::on, AskKind::confirm, true, [then](std::optional<Secret> typed) {
    then(typed ? std::optional<std::string>(text_of(typed->view())) : std::nullopt);
  });
}

void TerminalDialog::ask_passphrase(std::string_view key_path, unsigned, Hidden then) {
  ask("Enter passphrase for key '" + std::string(key_path) + "': ", Echo::off, AskKind::secret, true, std::move(then));
}

void TerminalDialog::ask_password(std::string_view prompt, Hidden then) {
  ask(std::string(prompt), Echo::off, AskKind::secret, true, std::move(then));
}

void TerminalDialog::ask_new_password(std::string_view prompt, Hidden then) {
  if (!prompt.empty()) show(std::string(prompt) + "\n");
  const std::string whose = manner_.whose + "'s ";
  ask("Enter " + whose + "new password: ", Echo::off, AskKind::secret, false,
      [this, whose, then](std::optional<Secret> first) {
        if (!first) return then(std::nullopt);
        auto kept = std::make_shared<Secret>(std::move(*first));
        ask("Retype " + whose + "new password: ", Echo::off, AskKind::secret, false,
            [this, kept, then](std::optional<Secret> second) {
              if (!second) return then(std::nullopt);
              const bool same =
                  kept->size() == second->size() && equal_in_constant_time(kept->data(), second->data(), kept->size());
              if (same) return then(std::move(second));
              print("Mismatch; try again, EOF to quit.\n");
              ask_new_password({}, then);
            });
      });
}

void TerminalDialog::ask_prompts(const PromptSet& set, Answers then) {
  for (const std::string* text : {&set.name, &set.instruction}) {
    if (!text->empty()) show(*text + "\n");
  }
  struct Asked {
    std::vector<Prompt> prompts;
    std::vector<Secret> answers;
  };
  auto asked = std::make_shared<Asked>();
  asked->prompts = set.prompts;
  auto next = std::make_shared<std::function<void()>>();
  *next = [this, asked, then, again = std::weak_ptr<std::function<void()>>(next)] {
    if (asked->answers.size() == asked->prompts.size()) return then(std::move(asked->answers));
    const Prompt& prompt = asked->prompts[asked->answers.size()];
    auto self = again.lock();
    ask("(" + manner_.whose + ") " + prompt.text, prompt.echo ? Echo::on : Echo::off, AskKind::secret, true,
        [asked, then, self](std::optional<Secret> typed) {
          if (!typed) return then(std::nullopt);
          asked->answers.push_back(std::move(*typed));
          (*self)();
        });
  };
  (*next)();
}

}  // namespace sluice
