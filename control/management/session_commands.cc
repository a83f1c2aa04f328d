// What is done to sessions: ended, given new keys, watched.
#include <algorithm>
#include <array>
#include <cstdlib>

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
    std::string said = answer ? terminal_text(text_of(*answer)) : "% " + answer.error();
    if (said.starts_with("% ")) {
      said.erase(0, 2);
      exec->refuse(said.substr(0, said.find('\n')));
    } else {
      exec->report.text("done", std::move(said));
    }
    exec->finish();
  });
}

constexpr uint32_t kServerKinds = kDebugDetail | kDebugWhole;

// Kinds are added to, or taken from, what is told of that session and address. Without either `no` is for all there is.
void debug(Command exec, const DebugWish& wish, const std::string& title) {
  auto wishes = exec->shell.debug_wishes();
  const bool general = wish.session == 0 && wish.address.empty();
  const auto same = [&](const DebugWish& one) { return one.session == wish.session && one.address == wish.address; };
  if (exec->negated) {
    for (DebugWish& one : wishes)
      if (general || same(one)) one.kinds &= ~wish.kinds;
    std::erase_if(wishes, [](const DebugWish& one) { return one.kinds == 0; });
  } else if (const auto found = std::find_if(wishes.begin(), wishes.end(), same); found != wishes.end()) {
    found->kinds |= wish.kinds;
  } else if (wishes.size() >= kMostWishes) {
    return exec->refuse("that is too much at once: undebug all, or no debug ... of what there is");
  } else {
    wishes.push_back(wish);
  }
  exec->shell.set_debug_wishes(std::move(wishes));
  exec->report.text("debug", title + (exec->negated ? " debugging is off\n" : " debugging is on\n"));
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
  if (word == "client") return debug(exec, {kDebugClient}, "SSH Client");
  debug(exec, {kinds_of(word)},
        word.empty()       ? "Incoming SSH"
        : word == "packet" ? "Incoming SSH packet"
                           : "Incoming SSH detail");
}

void debug_ip_scp(Command exec) { debug(exec, {kDebugScp}, "Incoming SCP"); }
void debug_server(Command exec) { debug(exec, {kServerKinds}, "SSH server"); }

void debug_session(Command exec) {
  const uint64_t session = std::strtoull(exec->word(0).c_str(), nullptr, 10);
  if (session != 0) return debug(exec, {kServerKinds, session}, "SSH server session " + exec->word(0));
  // `no` without a number: of each that has one.
  auto wishes = exec->shell.debug_wishes();
  std::erase_if(wishes, [](const DebugWish& one) { return one.session != 0; });
  exec->shell.set_debug_wishes(std::move(wishes));
  exec->report.text("debug", "SSH server session debugging is off\n");
}

void debug_address(Command exec) {
  if (exec->has(0)) return debug(exec, {kServerKinds, 0, exec->word(0)}, "SSH server address " + exec->word(0));
  auto wishes = exec->shell.debug_wishes();
  std::erase_if(wishes, [](const DebugWish& one) { return !one.address.empty(); });
  exec->shell.set_debug_wishes(std::move(wishes));
  exec->report.text("debug", "SSH server address debugging is off\n");
}

void undebug_all(Command exec) {
  exec->shell.set_debug_wishes({});
  exec->report.text("debug", "All possible debugging has been turned off\n");
}

void show_debugging(Command exec) {
  struct Title {
    uint32_t kind;
    const char* words;
  };
  constexpr std::array kTitles{
      Title{kDebugDetail, "SSH: Incoming SSH detail"}, Title{kDebugWhole, "SSH: Incoming SSH"},
      Title{kDebugClient, "SSH: SSH Client"},          Title{kDebugPacket, "SSH: Incoming SSH packet"},
      Title{kDebugScp, "SCP: Incoming SCP"},
  };
  std::string text;
  for (const DebugWish& wish : exec->shell.debug_wishes()) {
    const std::string of = wish.session != 0       ? " session " + std::to_string(wish.session)
                           : !wish.address.empty() ? " address " + wish.address
                                                   : "";
    for (const Title& title : kTitles)
      if ((wish.kinds & title.kind) != 0) text.append(title.words).append(of).append(" debugging is on\n");
  }
  exec->report.text("debugging", std::move(text));
}

}  // namespace sluice::exec
