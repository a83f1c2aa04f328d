// The running configuration, the candidate's changes, and what was committed.
#include <algorithm>

#include "control/config/command_table.h"
#include "control/config/running_config.h"
#include "control/management/config_ledger.h"
#include "control/management/exec_handlers.h"
#include "control/management/shell_session.h"

namespace sluice::exec {
namespace {

// A line with those that are set in below it.
struct Block {
  std::string line;
  std::string whole;
};

std::vector<Block> blocks_of(const std::string& text) {
  std::vector<Block> blocks;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    const std::string line = text.substr(at, end - at);
    at = end;
    // Banners go over several lines that are not set in.
    if (blocks.empty() || (line.front() != ' ' && line.front() != '\n')) blocks.push_back({line, ""});
    blocks.back().whole.append(line);
  }
  return blocks;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (size_t at = 0; (at = text.find_first_not_of(" \t\n", at)) != text.npos;) {
    const size_t end = std::min(text.find_first_of(" \t\n", at), text.size());
    words.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

// `show run ssh client`: every word asked for begins the line's, or is another way to write it.
bool begins_with(const std::string& line, const std::vector<std::string>& asked) {
  const std::vector<std::string> words = words_of(line);
  if (words.size() < asked.size()) return false;
  for (size_t i = 0; i < asked.size(); ++i)
    if (!words[i].starts_with(asked[i])) return false;
  return true;
}

bool concerns_ssh(const std::string& line) {
  const std::vector<std::string> words = words_of(line);
  const size_t at = !words.empty() && words[0] == "no" ? 1 : 0;
  const auto is = [&](size_t i, std::string_view word) { return at + i < words.size() && words[at + i] == word; };
  return is(0, "ssh") || (is(0, "ip") && (is(1, "ssh") || is(1, "scp")));
}

std::string shown(const Exec& exec) {
  return running_config(exec.host.running(), exec.host.machine(), {.secrets = false});
}

// What turns one text into the other, as commands.
std::string changes(const std::string& before, const std::string& after) {
  const std::vector<Block> old = blocks_of(before), now = blocks_of(after);
  const auto has = [](const std::vector<Block>& list, const std::string& whole) {
    return std::any_of(list.begin(), list.end(), [&](const Block& one) { return one.whole == whole; });
  };
  const auto setting_of = [](const std::string& line) {
    const auto matched = config_grammar().match(Mode::global, line.substr(0, line.find('\n')), Platform::sluice);
    return matched ? matched->row : nullptr;
  };
  std::string out;
  for (const Block& block : old) {
    if (has(now, block.whole)) continue;
    const CommandRow* row = setting_of(block.line);
    const bool replaced = std::any_of(now.begin(), now.end(), [&](const Block& one) {
      const CommandRow* other = setting_of(one.line);
      return one.line == block.line || (row && other && other->setting == row->setting && row->keys == 0);
    });
    if (replaced) continue;
    out.append(block.line.starts_with("no ") ? block.line.substr(3) : "no " + block.line);
  }
  for (const Block& block : now)
    if (!has(old, block.whole)) out.append(block.whole);
  return out;
}

}  // namespace

void show_running(Command exec) {
  const std::string text = shown(*exec);
  const std::vector<std::string> asked = words_of(exec->word(0));
  exec->report.eyes(date_line(*exec));
  if (asked.empty()) return exec->report.text("configuration", text);
  std::string out;
  const bool ssh = asked.size() == 1 && std::string_view("ssh").starts_with(asked[0]);
  for (const Block& block : blocks_of(text))
    if (ssh ? concerns_ssh(block.line) : begins_with(block.line, asked)) out.append(block.whole);
  if (exec->shell.platform() == Platform::ios_xr || !out.empty()) out.append("!\n");
  if (out.empty()) return exec->report.eyes("% No such configuration item(s)\n");
  exec->report.text("configuration", out);
}

void show_startup(Command exec) {
  const std::string text = exec->host.saved();
  const ConfigSource source{"", text};
  const ParsedConfig parsed = parse_config({&source, 1}, exec->host.machine());
  // Without secrets, so not as it stands in the file.
  exec->report.text("configuration", running_config(parsed.config, exec->host.machine(), {.secrets = false}));
}

void show_candidate(Command exec) {
  if (!exec->shell.configuring()) return show_commits(exec);
  const WriteOptions plain{.secrets = false};
  std::string text = changes(running_config(exec->host.running(), exec->host.machine()),
                             running_config(exec->shell.candidate(), exec->host.machine()));
  // Secrets that change are seen to change, and no more.
  const std::string without = changes(running_config(exec->host.running(), exec->host.machine(), plain),
                                      running_config(exec->shell.candidate(), exec->host.machine(), plain));
  if (!text.empty() && without.empty()) text = "! secrets\n";
  exec->report.eyes(date_line(*exec));
  exec->report.text("changes", text == "! secrets\n" ? text : without);
  exec->report.eyes("end\n");
}

void show_commits(Command exec) {
  exec->report.eyes(date_line(*exec));
  Report::Table table{"commits", {{"SNo.", 5}, {"Label/ID", 11}, {"User", 24}, {"Time Stamp"}}};
  table.ruled = true;
  size_t place = 0;
  for (const CommitRecord& commit : exec->ledger.commits())
    table.rows.push_back(
        {std::to_string(++place), std::to_string(1000000000 + commit.number), commit.who, date_text(commit.when_ms)});
  exec->report.table(std::move(table));
}

}  // namespace sluice::exec
