// What is done to sessions: ended, given new keys, watched.
#include "base/debug_words.h"
#include "base/plain_text.h"
#include "control/management/exec_handlers.h"
#include "control/management/management_host.h"
#include "control/management/shell_session.h"

namespace sluice::exec {
namespace {

// The network process says in words what came of it.
void tell_network(Command exec, const std::string& what) {
  exec->later = true;
  exec->host.ask(what, [exec](const ResultOrText<std::vector<uint8_t>>& answer) {
    if (!*exec->shell_lives) return;
    if (answer)
      exec->report.text("done", terminal_text(text_of(*answer)));
    else
      exec->refuse(answer.error());
    exec->finish();
  });
}

void debug(Command exec, uint32_t kinds, std::string_view title, uint64_t session = 0, std::string address = {}) {
  const uint32_t before = exec->shell.debug_mask();
  const uint32_t after = exec->negated ? before & ~kinds : before | kinds;
  exec->shell.set_debug(after, session, std::move(address));
  exec->report.text("debug", std::string(title) + (exec->negated ? " debugging is off\n" : " debugging is on\n"));
}

uint32_t kinds_of(const std::string& word) {
  if (word == "packet") return kDebugPacket;
  return word == "detail" ? kDebugDetail : kDebugDetail | kDebugWhole;
}

}  // namespace

void clear_ssh(Command exec) { tell_network(exec, "clear " + exec->word(0)); }
void clear_all_ssh(Command exec) { tell_network(exec, "clear all"); }
void rekey(Command exec) { tell_network(exec, "rekey " + exec->word(0)); }
void rekey_all(Command exec) { tell_network(exec, "rekey all"); }

void debug_ip_ssh(Command exec) {
  const std::string& word = exec->word(0);
  // Of those that this shell starts.
  if (word == "client") return debug(exec, kDebugClient, "SSH Client");
  debug(exec, kinds_of(word),
        word.empty()       ? "Incoming SSH"
        : word == "packet" ? "Incoming SSH packet"
                           : "Incoming SSH detail");
}

void debug_ip_scp(Command exec) { debug(exec, kDebugScp, "Incoming SCP"); }
void debug_server(Command exec) { debug(exec, kDebugDetail | kDebugWhole, "SSH server"); }

void debug_session(Command exec) {
  debug(exec, kDebugDetail | kDebugWhole, "SSH server session", std::strtoull(exec->word(0).c_str(), nullptr, 10));
}

void debug_address(Command exec) { debug(exec, kDebugDetail | kDebugWhole, "SSH server address", 0, exec->word(0)); }

void undebug_all(Command exec) {
  exec->shell.set_debug(0, 0, {});
  exec->report.text("debug", "All possible debugging has been turned off\n");
}

void show_debugging(Command exec) {
  const uint32_t mask = exec->shell.debug_mask();
  std::string text;
  if ((mask & kDebugDetail) != 0) text.append("SSH: Incoming SSH detail debugging is on\n");
  if ((mask & kDebugWhole) != 0) text.append("SSH: Incoming SSH debugging is on\n");
  if ((mask & kDebugClient) != 0) text.append("SSH: SSH Client debugging is on\n");
  if ((mask & kDebugPacket) != 0) text.append("SSH: Incoming SSH packet debugging is on\n");
  if ((mask & kDebugScp) != 0) text.append("SCP: Incoming SCP debugging is on\n");
  exec->report.text("debugging", std::move(text));
}

}  // namespace sluice::exec
