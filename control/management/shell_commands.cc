// Moving between modes and privileges, and what becomes of the candidate.
#include <cstdlib>

#include "base/log.h"
#include "control/auth/backends/hashed_secret.h"
#include "control/config/cisco_secret.h"
#include "control/config/running_config.h"
#include "control/management/config_ledger.h"
#include "control/management/exec_handlers.h"
#include "control/management/shell_session.h"

namespace sluice::exec {
namespace {

// As often as one `enable` of the routers asks.
constexpr unsigned kEnableRounds = 3;

unsigned number_of(const std::string& word) { return static_cast<unsigned>(std::strtoul(word.c_str(), nullptr, 10)); }

// Takes as long as a login's hash for those that are hashes.
bool is_secret(const ManagementSettings& set, const Secret& secret) {
  if (set.secret_type == "5" || set.secret_type == "10")
    return matches_hashed_secret(secret, set.secret, fake_hash_like(set.secret));
  const std::string_view typed = text_of(secret.view());
  const std::string plain = set.secret_type == "7" ? decode_type7(set.secret).value_or("") : set.secret;
  unsigned different = plain.size() == typed.size() && !plain.empty() ? 0 : 1;
  for (size_t i = 0; i < plain.size() && i < typed.size(); ++i)
    different |= static_cast<unsigned char>(plain[i] ^ typed[i]);
  return different == 0;
}

// The routers' lines for it.
void log_try(Command exec, unsigned level, bool good) {
  log_line(good ? LogLevel::notice : LogLevel::warning,
           std::string("%SYS-5-PRIV_AUTH_") + (good ? "PASS" : "FAIL") + ": Authentication to Privilege level " +
               std::to_string(level) + (good ? " passed from " : " failed from ") + exec->shell.name_for_log());
}

void ask_secret(Command exec, unsigned level, unsigned round);

void judge(Command exec, unsigned level, unsigned round, bool good) {
  log_try(exec, level, good);
  if (good) {
    exec->host.enable_guard().succeeded(exec->shell.who().name);
    exec->shell.set_privilege(level);
  } else if (round < kEnableRounds) {
    ask_secret(exec, level, round + 1);
  } else {
    exec->refuse("Bad secrets");
  }
}

void ask_secret(Command exec, unsigned level, unsigned round) {
  exec->ask("Password: ", true, [level, round](Command answered, const std::string& typed) {
    if (const unsigned wait = answered->host.enable_guard().begin(answered->shell.who().name, monotonic_ms()))
      return answered->refuse("Too many wrong tries: again in " + std::to_string(wait) + " seconds");
    // Off this thread: others' logins go by it.
    const auto good = std::make_shared<bool>(false);
    const auto secret = std::make_shared<const Secret>(bytes_of(typed));
    answered->later = true;
    const bool taken = answered->host.run_slowly(
        [good, secret, set_now = answered->host.running().management] { *good = is_secret(set_now, *secret); },
        [answered, good, level, round] {
          if (!*answered->shell_lives) return;
          judge(answered, level, round, *good);
          answered->finish();
        });
    if (taken) return;
    answered->later = false;
    answered->refuse("too much is being done; try again");
  });
}

void raise(Command exec, unsigned level) {
  const ManagementSettings& set = exec->host.running().management;
  if (level <= exec->shell.who().privilege) return exec->shell.set_privilege(level);
  if (set.secret.empty()) return exec->refuse("No password set (enable secret)");
  ask_secret(exec, level, 1);
}

}  // namespace

void enable(Command exec) { raise(exec, exec->has(0) ? number_of(exec->word(0)) : kManages); }

void disable(Command exec) {
  const unsigned level = exec->has(0) ? number_of(exec->word(0)) : kWatches;
  if (level > exec->shell.who().privilege) return exec->refuse("that is more than there is");
  exec->shell.set_privilege(level);
}

// Programs that were made for routers ask for this first, and it is so already.
void terminal_length(Command exec) {
  if (number_of(exec->word(0)) != 0) exec->report.eyes("% Output does not wait here: terminal length 0\n");
}

void terminal_width(Command) {}

void configure(Command exec) {
  exec->shell.begin_configuring();
  if (exec->shell.platform() == Platform::ios)
    exec->report.eyes("Enter configuration commands, one per line.  End with CNTL/Z.\n");
}

void end(Command exec) {
  if (!exec->shell.has_changes()) return exec->shell.end_configuring();
  exec->ask("Uncommitted changes found, commit them before exiting(yes/no/cancel)? [cancel]:", false,
            [](Command answered, const std::string& word) {
              const std::string_view typed = word;
              if (!typed.empty() && std::string_view("yes").starts_with(typed))
                return answered->shell.commit(answered, std::nullopt, true);
              if (!typed.empty() && std::string_view("no").starts_with(typed)) answered->shell.end_configuring();
            });
}

void leave(Command exec) {
  if (!exec->shell.configuring()) return exec->shell.leave();
  if (!exec->shell.leave_mode()) end(exec);
}

void root(Command exec) { exec->shell.leave_all_modes(); }
void do_line(Command exec) { exec->shell.run_line(exec, std::string(exec->word(0))); }
void commit(Command exec) { exec->shell.commit(exec, std::nullopt, false); }
void commit_confirmed(Command exec) { exec->shell.commit(exec, number_of(exec->word(0)), false); }
void commit_force(Command exec) { exec->shell.commit(exec, std::nullopt, false, true); }
void abort(Command exec) { exec->shell.end_configuring(); }

void clear_candidate(Command exec) { exec->shell.forget_changes(); }

void rollback(Command exec) {
  const size_t commits = exec->has(0) ? number_of(exec->word(0)) : 1;
  exec->later = true;
  exec->ledger.roll_back(commits, exec->shell.name_for_log(), [exec](const auto& result) {
    if (!*exec->shell_lives) return;
    if (!result) {
      exec->refuse(result.error());
    } else {
      exec->report.eyes(*result);
      if (exec->shell.configuring()) exec->shell.forget_changes();
    }
    exec->finish();
  });
}

void save(Command exec) {
  if (exec->ledger.waits_for_confirmation())
    return exec->refuse("a commit waits for its confirmation: `commit` in configure mode confirms it");
  std::string told;
  const auto where = exec->host.save(exec->host.running());
  if (!where) return exec->refuse(where.error());
  exec->report.text("saved", "Building configuration...\n[OK] " + *where + "\n");
}

}  // namespace sluice::exec
