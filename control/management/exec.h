// Exec: one command of the shell under way: its words, what it needs, what it shows, what it asks its operator.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/config/command_row.h"
#include "control/management/network_facts.h"
#include "control/management/report.h"

namespace sluice {

class ShellSession;
class ManagementHost;
class ConfigLedger;

struct Exec {
  ShellSession& shell;
  ManagementHost& host;
  ConfigLedger& ledger;
  CommandLine line;
  bool negated = false;
  NetworkFacts facts = {};

  Report report = {};
  std::string error = {};  // why it failed
  // For the client to do in the operator's own name: a program's words.
  std::vector<std::string> run = {};
  std::string input = {};  // what a file of those words has in it
  // A question; the next line is its answer. Secret ones are typed unseen.
  std::string question = {};
  bool secret = false;
  std::function<void(const std::shared_ptr<Exec>&, const std::string& answer)> answered = {};
  // It finishes later, by finish().
  bool later = false;
  bool told = false;  // its reply is out
  std::function<void()> finish = {};
  std::shared_ptr<bool> shell_lives = {};

  const std::string& word(size_t value) const;
  bool has(size_t value) const { return value < line.values.size() && !line.values[value].empty(); }
  // Of the network process, and of the monitor what it has besides.
  void take_facts(NetworkFacts from_network);
  void refuse(std::string why) { error = std::move(why); }
  void ask(std::string text, bool unseen, std::function<void(const std::shared_ptr<Exec>&, const std::string&)> then) {
    question = std::move(text);
    secret = unseen;
    answered = std::move(then);
  }
};

}  // namespace sluice
