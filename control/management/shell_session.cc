// Lines to commands or to the candidate configuration, and replies.
#include "control/management/shell_session.h"

#include <algorithm>
#include <array>

#include "base/plain_text.h"
#include "control/config/command_table.h"
#include "control/config/running_config.h"

namespace sluice {
namespace {

constexpr size_t kMaxShown = 200;

// Behind the host's name, in the order of Mode.
constexpr std::array<std::string_view, kModes> kModePrompts{
    "(config)",
    "(config-acl)",
    "(conf-ssh-pubkey)",
    "(conf-ssh-pubkey-user)",
    "(config-un)",
    "(conf-ssh-pubkey-server)",
    "(config-radius-host)",
    "(config-tacacs-host)",
    "(ca-trustpoint)",
    "(ssh-server-cert-profile)",
    "(ssh-server-cert-profile-server)",
    "(ssh-server-cert-profile-user)",
};
// While a key's text is typed.
constexpr std::string_view kDataPrompt = "(conf-ssh-pubkey-data)";

std::string_view trimmed(std::string_view text) {
  const size_t from = text.find_first_not_of(" \t\r\n");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t\r\n") + 1 - from);
}

std::string error_text(const LineError& error) {
  std::string text = error.what;
  for (size_t i = 0; i < error.expected.size(); ++i)
    text.append(i == 0 ? "; expected " : ", ").append(error.expected[i]);
  return text;
}

std::string without_platform(const std::string& lines) {
  return lines.starts_with("platform ") ? lines.substr(lines.find('\n') + 1) : lines;
}

constexpr std::string_view platform_word(Platform platform) {
  return platform == Platform::ios ? "ios" : platform == Platform::ios_xr ? "ios-xr" : "sluice";
}

}  // namespace

std::string marked(std::string_view line, size_t column, std::string_view what) {
  std::string out = "  " + log_text(line.substr(0, kMaxShown)) + "\n  ";
  out.append(std::string(std::min(column, kMaxShown), ' ')).append("^\n% Invalid input detected at '^' marker: ");
  return out.append(what).append("\n");
}

const std::string& Exec::word(size_t value) const {
  static const std::string kNone;
  return has(value) ? line.values[value].front() : kNone;
}

ShellSession::ShellSession(ManagementHost& host, ConfigLedger& ledger, Operator who, bool json)
    : host_(host), ledger_(ledger), who_(std::move(who)), json_(json) {}

ShellSession::~ShellSession() { *lives_ = false; }

Platform ShellSession::platform() const { return host_.running().platform; }

std::string ShellSession::name_for_log() const { return log_text(who_.from) + " by " + log_text(who_.name); }

std::string ShellSession::prompt() const {
  const bool xr = platform() == Platform::ios_xr;
  std::string text = xr ? "RP/0/RP0/CPU0:" : "";
  text.append(host_.running().hostname);
  if (reader_)
    return text.append(reader_->in_value() ? kDataPrompt : kModePrompts[size_t(reader_->mode())]).append("#");
  return text.append(who_.privilege >= kManages || xr ? "#" : ">");
}

void ShellSession::execute(const std::string& line, Done done) {
  busy_ = true;
  const Done settled = [this, lives = lives_, done = std::move(done)](ShellReply reply) {
    if (!*lives) return;
    busy_ = false;
    if (reply.next == ShellReply::Next::line && reader_ && reader_->in_value()) reply.next = ShellReply::Next::text;
    if (leaving_) reply.next = ShellReply::Next::closed;
    reply.prompt = prompt();
    done(std::move(reply));
  };
  if (asking_) {
    const auto exec = std::exchange(asking_, nullptr);
    const auto answered = std::exchange(exec->answered, nullptr);
    exec->question.clear();
    exec->report = {};
    exec->later = false;
    await(exec, settled);
    std::string typed(trimmed(line));
    answered(exec, typed);
    wipe(typed.data(), typed.size());
    return settle(exec, settled);
  }
  run(line, settled);
}

bool ShellSession::prefers_config(std::string_view line) const {
  const std::string_view words = trimmed(line);
  const std::string_view first = words.substr(0, words.find_first_of(" \t"));
  const auto known = config_grammar().complete(reader_->mode(), first, platform());
  const bool outer = reader_->depth() > 0 && !config_grammar().complete(Mode::global, first, platform()).empty();
  return !known.empty() || outer || first == "no" || first == "default";
}

void ShellSession::run(std::string_view line, Done done) {
  if (line.size() > kMaxShellLine) return done({"% The line is too long\n", "", true});
  if (reader_ && reader_->in_value()) return configure(line, std::move(done));
  const std::string_view words = trimmed(line);
  if (words.empty() || words.starts_with('!')) return done({});
  const ExecGrammar& grammar = exec_grammar(reader_ ? kAtConfig : kAtExec);
  auto matched = grammar.grammar().match(Mode::global, words, platform());
  const bool usable = matched && (matched->form == CommandForm::set ||
                                  (matched->form == CommandForm::negate && grammar.row_of(*matched->row).negatable));
  if (reader_ && prefers_config(words)) {
    const std::string_view first = words.substr(0, words.find_first_of(" \t"));
    // A whole word of the shell's own is no beginning of another.
    const bool whole = usable && grammar.row_of(*matched->row).pattern.starts_with(std::string(first) + " ");
    const bool alone = usable && grammar.row_of(*matched->row).pattern == first;
    if (!whole && !alone && !(usable && matched->form == CommandForm::negate)) return configure(line, std::move(done));
  }
  if (usable) return run_command(grammar, *matched, std::move(done));
  if (matched) return reply_error(words, {0, 2, "this is no command that can be negated"}, done);
  reply_error(words, matched.error(), done);
}

void ShellSession::reply_error(std::string_view line, const LineError& error, const Done& done) const {
  ShellReply reply;
  reply.failed = true;
  reply.output =
      json_ ? "{\"error\": " + json_string(error_text(error)) + "}\n" : marked(line, error.column, error_text(error));
  done(std::move(reply));
}

void ShellSession::run_command(const ExecGrammar& grammar, const MatchedCommand& matched, Done done) {
  const ExecRow& row = grammar.row_of(*matched.row);
  if (row.privilege > who_.privilege) {
    const std::string why = "your privilege is " + std::to_string(who_.privilege) + ", and this takes " +
                            std::to_string(row.privilege) + " (enable)";
    return done({json_ ? "{\"error\": " + json_string(why) + "}\n" : "% Not allowed: " + why + "\n", "", true});
  }
  const auto exec = std::make_shared<Exec>(Exec{*this, host_, ledger_, matched.line});
  exec->negated = matched.form == CommandForm::negate;
  exec->shell_lives = lives_;
  await(exec, done);
  if (!row.facts) {
    row.run(exec);
    return settle(exec, done);
  }
  exec->later = true;
  host_.ask(row.facts, [exec, lives = lives_, run = row.run](ResultOrText<std::vector<uint8_t>> answer) {
    if (!*lives) return;
    auto facts = answer ? NetworkFacts::read(*answer) : Result<NetworkFacts>(NetworkFacts());
    if (!answer) {
      exec->refuse(answer.error());
    } else if (!facts) {
      exec->refuse("the network process' answer cannot be read");
    } else {
      exec->take_facts(std::move(*facts));
      exec->later = false;
      run(exec);
      if (exec->later) return;
    }
    exec->finish();
  });
}

void Exec::take_facts(NetworkFacts from_network) {
  facts = std::move(from_network);
  for (EngineFacts& engine : host.engines()) facts.engines.push_back(std::move(engine));
}

void ShellSession::run_line(const std::shared_ptr<Exec>& exec, const std::string& line) {
  const ExecGrammar& grammar = exec_grammar(kAtExec);
  const auto matched = grammar.grammar().match(Mode::global, line, platform());
  if (!matched || matched->form == CommandForm::reset)
    return exec->refuse(matched ? std::string("no such command") : error_text(matched.error()));
  const ExecRow& row = grammar.row_of(*matched->row);
  exec->negated = matched->form == CommandForm::negate;
  if (row.privilege > who_.privilege) return exec->refuse("your privilege does not reach for it");
  exec->line = matched->line;
  if (!row.facts) return row.run(exec);
  exec->later = true;
  host_.ask(row.facts, [exec, lives = lives_, run = row.run](ResultOrText<std::vector<uint8_t>> answer) {
    if (!*lives) return;
    auto facts = answer ? NetworkFacts::read(*answer) : Result<NetworkFacts>(NetworkFacts());
    exec->later = false;
    if (answer && facts) {
      exec->take_facts(std::move(*facts));
      run(exec);
    } else {
      exec->refuse("the network process gave no answer");
    }
    if (!exec->later) exec->finish();
  });
}

// Each line has one reply: what finishes at once is settled by then.
void ShellSession::await(const std::shared_ptr<Exec>& exec, const Done& done) {
  exec->told = false;
  exec->finish = [this, lives = lives_, weak = std::weak_ptr(exec), done] {
    const auto finished = weak.lock();
    if (!*lives || !finished) return;
    finished->later = false;
    settle(finished, done);
  };
}

void ShellSession::settle(const std::shared_ptr<Exec>& exec, const Done& done) {
  if (exec->later || std::exchange(exec->told, true)) return;
  ShellReply reply;
  reply.failed = !exec->error.empty();
  if (json_) {
    reply.output = reply.failed ? "{\"error\": " + json_string(exec->error) + "}\n" : exec->report.as_json();
  } else {
    reply.output = exec->report.as_text();
    if (reply.failed) reply.output.append("% ").append(exec->error).append("\n");
  }
  reply.run = std::move(exec->run);
  reply.input = std::move(exec->input);
  if (!exec->question.empty()) {
    reply.next = exec->secret ? ShellReply::Next::secret : ShellReply::Next::answer;
    reply.output = exec->report.as_text() + exec->question;
    asking_ = exec;
  }
  done(std::move(reply));
}

// --- configuring

void ShellSession::begin_configuring() { restart_candidate(host_.running()); }

void ShellSession::restart_candidate(const ServerConfig& from) {
  serial_ = ledger_.serial();
  // As a parser leaves it: defaults do not name their platform.
  ServerConfig defaults = default_config(from.platform, host_.machine());
  reader_ = std::make_unique<ConfigReader>(from, std::move(defaults), from.platform);
}

bool ShellSession::leave_mode() {
  if (!reader_ || reader_->depth() == 0) return false;
  reader_->take("exit");
  return true;
}

void ShellSession::leave_all_modes() { reader_->leave_modes(); }
bool ShellSession::has_changes() const { return reader_ && !(reader_->config() == host_.running()); }
void ShellSession::forget_changes() { restart_candidate(host_.running()); }

void ShellSession::configure(std::string_view line, Done done) {
  // Where lines are in effect at once there is nothing of our own to lose: others' changes are where we go on from.
  if (platform() == Platform::ios && outdated() && reader_->config().platform == Platform::ios) {
    reader_->go_on_from(host_.running());
    serial_ = ledger_.serial();
  }
  const Platform before = reader_->config().platform;
  reader_->take(line);
  ShellReply reply;
  for (const ConfigMessage& error : reader_->take_errors()) {
    std::string what = error.what;
    for (size_t i = 0; i < error.expected.size(); ++i)
      what.append(i == 0 ? "; expected " : ", ").append(error.expected[i]);
    reply.output.append(marked(error.shown, error.column, what));
    reply.failed = true;
  }
  for (const ConfigMessage& warning : reader_->take_warnings())
    reply.output.append("% ").append(warning.what).append("\n");
  const Platform after = reader_->config().platform;
  if (before != after) {
    // What was a default of the one platform becomes the other's.
    ServerConfig old = reader_->config();
    old.platform = before;
    const std::string text = std::string("platform ").append(platform_word(after)).append("\n") +
                             without_platform(running_config(old, host_.machine()));
    const ConfigSource source{"", text};
    ParsedConfig parsed = parse_config({&source, 1}, host_.machine());
    const uint64_t serial = serial_;
    restart_candidate(parsed.config);
    serial_ = serial;
  }
  // IOS has no candidates: a line that was taken is in effect.
  const bool at_once = platform() == Platform::ios && !reader_->in_value() && has_changes();
  if (at_once) return apply_at_once(std::move(done), std::move(reply.output));
  if (json_) reply.output = reply.failed ? "{\"error\": " + json_string(reply.output) + "}\n" : "{}\n";
  done(std::move(reply));
}

void ShellSession::apply_at_once(Done done, std::string output) {
  ledger_.commit(reader_->config(), name_for_log(), std::nullopt,
                 [this, lives = lives_, output = std::move(output), done = std::move(done)](const auto& result) {
                   if (!*lives) return;
                   ShellReply reply;
                   reply.failed = !result;
                   reply.output = output + (result ? *result : "% " + result.error() + "\n");
                   if (!result && reader_) restart_candidate(host_.running());
                   serial_ = ledger_.serial();
                   done(std::move(reply));
                 });
}

void ShellSession::commit(const std::shared_ptr<Exec>& exec, std::optional<unsigned> seconds, bool then_leave,
                          bool force) {
  if (!has_changes()) {
    std::string told;
    const bool confirmed = !seconds && ledger_.confirm(told);
    exec->report.eyes(confirmed ? "% Confirmed\n" + told : "% There is nothing to commit\n");
    if (then_leave) end_configuring();
    return;
  }
  if (outdated() && !force) {
    return exec->refuse("the configuration was changed meanwhile, by " + ledger_.last_changed_by() +
                        "; look at `show configuration`, then `commit force`, or `abort`");
  }
  std::string doubts;
  for (const std::string& doubt : doubts_about(candidate())) doubts.append("% ").append(doubt).append("\n");
  exec->later = true;
  ledger_.commit(candidate(), name_for_log(), seconds, [this, exec, doubts, then_leave](const auto& result) {
    if (!*exec->shell_lives) return;
    if (!result) {
      exec->refuse("Failed to commit, nothing was changed: " + result.error());
    } else {
      exec->report.eyes(doubts + *result);
      serial_ = ledger_.serial();
      if (then_leave) end_configuring();
    }
    exec->finish();
  });
}

std::vector<Candidate> ShellSession::complete(std::string_view line) const {
  if (asking_ || line.size() > kMaxShellLine || (reader_ && reader_->in_value())) return {};
  const ExecGrammar& grammar = exec_grammar(reader_ ? kAtConfig : kAtExec, who_.privilege);
  std::vector<Candidate> found = grammar.grammar().complete(Mode::global, line, platform());
  if (!reader_) return found;
  for (Candidate& candidate : config_grammar().complete(reader_->mode(), line, platform()))
    if (std::none_of(found.begin(), found.end(), [&](const Candidate& one) { return one.word == candidate.word; }))
      found.push_back(std::move(candidate));
  std::stable_sort(found.begin(), found.end(), [](const Candidate& a, const Candidate& b) {
    return std::pair(a.word == "<cr>", a.word) < std::pair(b.word == "<cr>", b.word);
  });
  return found;
}

// --- debugging

uint32_t ShellSession::debug_mask() const {
  uint32_t mask = 0;
  for (const DebugWish& wish : debug_wishes_) mask |= wish.kinds;
  return mask;
}

}  // namespace sluice
