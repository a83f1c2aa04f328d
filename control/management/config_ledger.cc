// One change after the other; a trial's end is a change like others.
#include "control/management/config_ledger.h"

#include <chrono>
#include <memory>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "control/config/config_parser.h"
#include "control/config/running_config.h"

namespace sluice {
namespace {

constexpr uint64_t kNsInMs = 1'000'000;

// A file's changes are nobody's who could be told: they are logged.
std::string restarts(const ServerConfig& before, const ServerConfig& after, bool from_file) {
  std::string told;
  for (const SettingChange& change : diff(before, after)) {
    if (change.restart.empty()) continue;
    const std::string line = joined({"Takes effect at the next start, since ", change.restart, ": ",
                                     change.after.empty() ? "no " + change.before : change.after});
    if (from_file) log_line(LogLevel::warning, "reload: " + std::string(line, 0, line.find('\n')));
    told.append("% ").append(line);
  }
  return told;
}

}  // namespace

uint64_t wall_ms() {
  using namespace std::chrono;
  return static_cast<uint64_t>(duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count());
}

uint64_t monotonic_ms() { return monotonic_clock().now_ns() / kNsInMs; }

void ConfigLedger::commit(ServerConfig config, const std::string& who, std::optional<unsigned> seconds, Done done) {
  if (busy_) return done(fail(std::string("another change is being made; try again")));
  change({std::move(config), who, seconds}, std::move(done));
}

void ConfigLedger::take_file(ServerConfig config, const std::string& who, Done done) {
  Change wanted{std::move(config), who, std::nullopt, true};
  if (!busy_) return change(std::move(wanted), std::move(done));
  if (waiting_file_) waiting_file_->second(fail(std::string("the file was read again meanwhile")));
  waiting_file_.emplace(std::move(wanted), std::move(done));
}

void ConfigLedger::change(Change wanted, Done done) {
  busy_ = true;
  const auto made = std::make_shared<const Change>(std::move(wanted));
  const auto settled = [this, made, before = host_.running(),
                        done = std::move(done)](const ResultOrText<std::string>& result) {
    busy_ = false;
    if (result)
      done(restarts(before, made->config, made->from_file) + *result + settle(*made, before));
    else
      done(fail(result.error()));
    if (busy_ || !waiting_file_) return;
    auto next = std::move(*waiting_file_);
    waiting_file_.reset();
    change(std::move(next.first), std::move(next.second));
  };
  host_.put_into_effect(made->config, settled);
}

// It is in effect: what is kept of it, and what there is to say.
std::string ConfigLedger::settle(const Change& made, const ServerConfig& before) {
  const bool same = made.config == before;
  if (!same) {
    ++serial_;
    last_who_ = made.who;
    history_.add(wall_ms(), made.who, running_config(before, host_.machine()));
    // The routers' line for it.
    log_line(LogLevel::notice, "%SYS-5-CONFIG_I: Configured from " + made.who);
  }
  if (!made.seconds) {
    trial_.reset();
    return made.from_file ? std::string() : save();
  }
  // One trial's end is another's: back to what was confirmed.
  const ServerConfig& back_to = trial_ ? trial_->back_to : before;
  trial_ = Trial{back_to, monotonic_ms() + uint64_t{*made.seconds} * 1000};
  return "% Goes back by itself in " + std::to_string(*made.seconds) + " seconds unless `commit` confirms it\n";
}

std::string ConfigLedger::save() const {
  const auto where = host_.save(host_.running());
  if (where) return {};
  log_line(LogLevel::warning, "configuration: " + where.error());
  return "% It is in effect, but the next start will not know it: " + where.error() + "\n";
}

bool ConfigLedger::confirm(std::string& told) {
  if (!trial_) return false;
  trial_.reset();
  told = save();
  return true;
}

void ConfigLedger::roll_back(size_t commits, const std::string& who, Done done) {
  if (busy_) return done(fail(std::string("another change is being made; try again")));
  if (commits == 0 || commits > history_.commits().size())
    return done(fail("there are " + std::to_string(history_.commits().size()) + " commits to roll back"));
  const ConfigSource source{"", history_.commits()[commits - 1].before};
  ParsedConfig parsed = parse_config({&source, 1}, host_.machine());
  // Of another version, say.
  if (!parsed.ok()) return done(fail("what was in effect then is none any more: " + parsed.errors.front().text()));
  change({std::move(parsed.config), who}, std::move(done));
}

std::optional<uint64_t> ConfigLedger::deadline_ms() const {
  return trial_ ? std::optional(trial_->deadline_ms) : std::nullopt;
}

void ConfigLedger::tick(uint64_t now_ms) {
  if (!trial_ || now_ms < trial_->deadline_ms || busy_) return;
  const ServerConfig back_to = trial_->back_to;
  change({back_to, "a commit that was not confirmed"}, [this](const ResultOrText<std::string>& result) {
    if (result) return log_line(LogLevel::notice, "the commit was not confirmed: rolled back");
    // Once more in a while: leaving it as it is would lock out who relied on it.
    constexpr uint64_t kAgainMs = 1000;
    log_line(LogLevel::error, "the commit was not confirmed, but rolling back failed: " + result.error());
    if (trial_) trial_->deadline_ms = monotonic_ms() + kAgainMs;
  });
}

}  // namespace sluice
