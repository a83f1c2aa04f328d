// One change after the other; a trial's end is a change like others.
#include "control/management/config_ledger.h"

#include <chrono>

#include "base/clock.h"
#include "base/log.h"
#include "control/config/running_config.h"

namespace sluice {
namespace {

constexpr uint64_t kNsInMs = 1'000'000;

std::string restarts(const ServerConfig& before, const ServerConfig& after) {
  std::string told;
  for (const SettingChange& change : diff(before, after)) {
    if (change.restart.empty()) continue;
    told.append("% Takes effect at the next start, since ").append(change.restart).append(": ");
    told.append(change.after.empty() ? "no " + change.before : change.after);
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
  change(std::move(config), who, seconds, std::move(done));
}

void ConfigLedger::change(ServerConfig config, const std::string& who, std::optional<unsigned> seconds, Done done) {
  busy_ = true;
  const ServerConfig before = host_.running();
  std::string told = restarts(before, config);
  const auto settled = [this, before, who, seconds, told, done = std::move(done)](ResultOrText<void> result) {
    busy_ = false;
    if (!result) return done(fail(result.error()));
    ++serial_;
    last_who_ = who;
    commits_.push_front({++numbers_, wall_ms(), who, before});
    if (commits_.size() > kMaxCommits) commits_.pop_back();
    // The routers' line for it.
    log_line(LogLevel::notice, "%SYS-5-CONFIG_I: Configured from " + who);
    std::string text = told;
    if (seconds) {
      // One trial's end is another's: back to what was confirmed.
      const ServerConfig& back_to = trial_ ? trial_->back_to : before;
      trial_ = Trial{back_to, monotonic_ms() + uint64_t{*seconds} * 1000};
      text.append("% Goes back by itself in " + std::to_string(*seconds) + " seconds unless `commit` confirms it\n");
    } else {
      trial_.reset();
      text.append(save());
    }
    done(text);
  };
  host_.put_into_effect(config, settled);
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
  if (commits == 0 || commits > commits_.size())
    return done(fail("there are " + std::to_string(commits_.size()) + " commits to roll back"));
  change(commits_[commits - 1].before, who, std::nullopt, std::move(done));
}

std::optional<uint64_t> ConfigLedger::deadline_ms() const {
  return trial_ ? std::optional(trial_->deadline_ms) : std::nullopt;
}

void ConfigLedger::tick(uint64_t now_ms) {
  if (!trial_ || now_ms < trial_->deadline_ms || busy_) return;
  const ServerConfig back_to = trial_->back_to;
  change(back_to, "a commit that was not confirmed", std::nullopt, [this](const ResultOrText<std::string>& result) {
    if (result) return log_line(LogLevel::notice, "the commit was not confirmed: rolled back");
    // Once more in a while: leaving it as it is would lock out who relied on it.
    constexpr uint64_t kAgainMs = 1000;
    log_line(LogLevel::error, "the commit was not confirmed, but rolling back failed: " + result.error());
    if (trial_) trial_->deadline_ms = monotonic_ms() + kAgainMs;
  });
}

}  // namespace sluice
