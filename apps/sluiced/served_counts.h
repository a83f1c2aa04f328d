// ServedCounts: how connections ended, by kind and by the reason that each error of the table has.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/counter.h"
#include "base/error.h"
#include "control/auth/auth_verdict.h"
#include "control/auth/login_limits.h"
#include "control/engine/key_engine.h"
#include "control/listener.h"
#include "control/management/network_facts.h"
#include "control/transport/transport_machine.h"

namespace sluice {

class ServedCounts {
 public:
  void ended(ConnectionEnd end, const std::optional<Closing>& closing);
  void no_broker() { no_broker_.add(); }
  void logged_in(std::string_view methods);
  void keyed() { handshakes_.add(); }
  // One try of a method; what is but a step of one, a question asked back, is no result.
  void judged(AuthMethod method, VerdictKind verdict);
  void rekeyed(uint64_t ns) { rekeys_.add(ns); }
  // One line: every kind of end, and the reasons that there were.
  std::string text() const;
  // In Prometheus' names.
  void write(NetworkFacts& facts) const;

 private:
  std::array<Counter, 5> ends_;
  std::array<Counter, kErrors.size()> errors_;
  Counter by_peer_;
  Counter vanished_;
  Counter no_broker_;
  Counter handshakes_;
  // By method, then accepted, partial, refused.
  std::array<std::array<Counter, 3>, static_cast<size_t>(AuthMethod::count_)> tries_;
  std::map<std::string, Counter, std::less<>> logins_;  // by their methods
  LatencyHistogram rekeys_;
};

// Without a host key nobody can be served: who comes cannot know us by anything.
inline constexpr std::string_view kNoHostKeyLine = "No host key is left\r\n";
void turn_away_without_keys(int descriptor);
// Into the log, not too often.
void tell_no_host_key(const Arrival& arrival);
// In the routers' words; nothing for who left in good order.
void log_refusal(ConnectionEnd end, const std::optional<Closing>& closing, const std::string& source);
void write_counts(const ListenerCounters& counters, NetworkFacts& facts);
// Of a process that was told to use the engine of that EngineSpec; null: it could not be had. Nothing where none is
// configured.
std::vector<EngineFacts> engine_facts(const std::string& spec, const KeyEngine* engine, const char* process);

// What a listener turned away.
std::string text_of(const ListenerCounters& counters);

}  // namespace sluice
