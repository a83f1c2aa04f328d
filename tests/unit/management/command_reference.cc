// Writes the page of the shell's commands, or says whether a file is that page still.
//
// usage: command_reference check FILE | command_reference write FILE
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "control/management/exec_table.h"

namespace {

constexpr std::string_view kIntroduction = R"(# The shell of sluicectl

<!-- Made from control/management/exec_table.cc by tests/unit/management/command_reference.cc; do not edit. -->

`sluicectl COMMAND` runs one of these, `sluicectl` alone is a shell with history, Tab and `?`. Words may be shortened as far
as they are clear; patterns are read as in [CONFIG.md](CONFIG.md), whose lines are taken in configure mode. Privilege 15 is
root's and the server's own user's; operators who log in by SSH have what `username NAME privilege N` gives them, 1 unless
it says more, and `enable` asks for `enable secret`.
)";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

std::string page() {
  std::string out(kIntroduction);
  for (const auto& [place, title] : {std::pair(sluice::kAtExec, "Exec mode"), {sluice::kAtConfig, "Configure mode"}}) {
    out.append("\n## ").append(title).append("\n\n| command | privilege | what it does |\n| --- | --- | --- |\n");
    for (const sluice::ExecRow& row : sluice::ExecGrammar::rows()) {
      // What stands in both is told of once.
      const bool here = place == sluice::kAtExec ? (row.places & place) != 0 : row.places == place;
      if (!here) continue;
      out.append("| `").append(row.negatable ? "[no] " : "").append(escaped(row.pattern)).append("` | ");
      out.append(std::to_string(row.privilege)).append(" | ").append(escaped(row.help)).append(" |\n");
    }
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  if (argv[1] == std::string_view("write")) {
    std::ofstream(argv[2], std::ios::binary) << page();
    return 0;
  }
  std::ifstream file(argv[2], std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (text == page()) return 0;
  std::printf("%s is not what the table of commands says: run %s write %s\n", argv[2], argv[0], argv[2]);
  return 1;
}
