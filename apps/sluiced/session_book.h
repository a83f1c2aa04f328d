// SessionBook: what the network process knows of each connection for who looks at it, and the last hundred that ended.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "control/auth/permit.h"
#include "control/control_loop.h"
#include "control/management/network_facts.h"

namespace sluice {

struct Login {
  uint32_t monitor_id = 0;
  SessionId session = 0;
  std::string source;  // address and port
  SessionFacts facts = {};
  RekeyLimits rekey = {};
  std::map<uint32_t, ChannelFacts> channels = {};
};

class SessionBook {
 public:
  explicit SessionBook(ControlLoop& loop) : loop_(loop) {}

  void begin(const std::shared_ptr<Login>& login);
  void entered(Login& login, const Permit& permit);
  // A note of a channel: terminal, type; nothing: it is gone.
  void note_channel(Login& login, uint32_t number, Bytes what);
  void ended(const Login& login, std::string_view why);

  size_t sessions() const { return logins_.size(); }
  const Login* find(SessionId session) const;
  // Of all sessions, and those that ended.
  void write(NetworkFacts& facts) const;

 private:
  SessionFacts facts_of(const Login& login) const;

  ControlLoop& loop_;
  std::map<SessionId, std::shared_ptr<Login>> logins_;
  std::deque<SessionFacts> history_;
  std::set<uint32_t> terminals_;  // numbers of vtys in use
};

}  // namespace sluice
