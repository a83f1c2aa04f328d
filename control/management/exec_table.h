// The commands of the shell that are no configuration: a row each, from which parsing, help and completion are made.
#pragma once

#include <memory>

#include "control/config/command_grammar.h"
#include "control/management/exec.h"

namespace sluice {

// Where a command stands.
inline constexpr uint8_t kAtExec = 1, kAtConfig = 2, kAnywhere = kAtExec | kAtConfig;
inline constexpr unsigned kEverybody = 0, kWatches = 1, kManages = 15;

struct ExecRow {
  std::string_view pattern;
  std::string_view help;
  void (*run)(const std::shared_ptr<Exec>&);
  unsigned privilege = kManages;
  uint8_t places = kAnywhere;
  // What the network process is asked before it runs; null: nothing.
  const char* facts = nullptr;
  bool negatable = false;
};

// Of one place, for whoever has so much privilege.
class ExecGrammar {
 public:
  ExecGrammar(uint8_t place, unsigned privilege);

  const CommandGrammar& grammar() const { return *grammar_; }
  const ExecRow& row_of(const CommandRow& row) const { return *rows_[size_t(&row - commands_.data())]; }
  // As a pattern's words have it, so that a page of documentation can be made.
  static std::span<const ExecRow> rows();

 private:
  std::vector<const ExecRow*> rows_;
  std::vector<CommandRow> commands_;
  std::unique_ptr<CommandGrammar> grammar_;
};

// place: kAtExec or kAtConfig.
const ExecGrammar& exec_grammar(uint8_t place, unsigned privilege = kManages);

}  // namespace sluice
