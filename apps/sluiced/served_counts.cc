// Counts as a line of the log.
#include "apps/sluiced/served_counts.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/engine_spec.h"
#include "base/log.h"

namespace sluice {
namespace {

// In the order of ConnectionEnd.
constexpr std::array<std::string_view, 5> kEndNames{"orderly", "failed logins", "no login", "timed out", "misbehaved"};

constexpr std::array<std::string_view, 3> kResults{"accepted", "partial", "refused"};

void append(std::string& text, std::string_view name, uint64_t count) {
  text.append(", ").append(name).append(" ").append(std::to_string(count));
}

}  // namespace

void ServedCounts::ended(ConnectionEnd end, const std::optional<Closing>& closing) {
  ends_[static_cast<size_t>(end)].add();
  if (!closing) return vanished_.add();
  if (closing->by_peer) return by_peer_.add();
  if (closing->error) errors_[static_cast<size_t>(*closing->error)].add();
}

std::string ServedCounts::text() const {
  std::string text = "connections ended:";
  for (size_t i = 0; i < ends_.size(); ++i)
    text.append(i == 0 ? " " : ", ").append(kEndNames[i]).append(" ").append(std::to_string(ends_[i].get()));
  text.append("; by the client's word ").append(std::to_string(by_peer_.get()));
  append(text, "without a word", vanished_.get());
  for (const ErrorRow& row : kErrors)
    if (const uint64_t count = errors_[static_cast<size_t>(row.code)].get()) append(text, row.counter, count);
  if (no_broker_.get() != 0) append(text, "session.no_broker", no_broker_.get());
  return text;
}

void ServedCounts::logged_in(std::string_view methods) {
  // What ways there are is configured; a handful.
  constexpr size_t kMostWays = 32;
  const auto found = logins_.find(methods);
  if (found != logins_.end()) return found->second.add();
  if (logins_.size() < kMostWays) logins_[std::string(methods)].add();
}

void ServedCounts::judged(AuthMethod method, VerdictKind verdict) {
  auto& results = tries_[static_cast<size_t>(method)];
  switch (verdict) {
    case VerdictKind::accepted: return results[0].add();
    case VerdictKind::partial: return results[1].add();
    case VerdictKind::refused:
    case VerdictKind::exhausted:
    case VerdictKind::shut_out: return results[2].add();
    default: return;
  }
}

void ServedCounts::write(NetworkFacts& facts) const {
  const auto add = [&](const char* name, const std::string& label, const Counter& count) {
    facts.counts.push_back({name, label, count.get()});
  };
  const auto label = [](const char* key, std::string_view value) {
    return std::string(key).append("=\"").append(value).append("\"");
  };
  for (const auto& [methods, count] : logins_) add("sluice_logins_total", label("methods", methods), count);
  add("sluice_handshakes_total", "", handshakes_);
  for (const AuthMethod method : {AuthMethod::publickey, AuthMethod::password, AuthMethod::keyboard_interactive}) {
    for (size_t i = 0; i < kResults.size(); ++i)
      add("sluice_auth_results_total", label("method", name_of(method)) + "," + label("result", kResults[i]),
          tries_[static_cast<size_t>(method)][i]);
  }
  for (size_t i = 0; i < ends_.size(); ++i) add("sluice_connections_ended_total", label("how", kEndNames[i]), ends_[i]);
  add("sluice_connections_left_total", label("by", "client"), by_peer_);
  add("sluice_connections_left_total", label("by", "nobody"), vanished_);
  for (const ErrorRow& row : kErrors)
    add("sluice_errors_total", label("reason", row.counter), errors_[static_cast<size_t>(row.code)]);
  add("sluice_broker_failures_total", "", no_broker_);
  for (size_t i = 0; i < LatencyHistogram::kBuckets; ++i) facts.rekey_pauses.push_back(rekeys_.count(i));
}

void log_refusal(ConnectionEnd end, const std::optional<Closing>& closing, const std::string& source) {
  if (closing && closing->error == ErrorCode::auth_tries)
    log_line(LogLevel::warning,
             "%SECURITY-SSHD-3-ERR_GENERAL : Max authentication tries reached-exiting (" + source + ")");
  if (end == ConnectionEnd::failed_login)
    log_line(LogLevel::notice, "%SECURITY-SSHD-4-INFO_FAILURE : failed login from " + source);
}

void turn_away_without_keys(int descriptor) {
  [[maybe_unused]] const ssize_t n =
      ::send(descriptor, kNoHostKeyLine.data(), kNoHostKeyLine.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::close(descriptor);
}

void tell_no_host_key(const Arrival& arrival) {
  static int64_t told_ms = -1000000;
  constexpr int64_t kQuietMs = 1000;
  if (ControlLoop::now_ms() - told_ms < kQuietMs) return;
  told_ms = ControlLoop::now_ms();
  log_line(LogLevel::error, "%SECURITY-SSHD-3-ERR_GENERAL : connection from " + arrival.from.text() +
                                " refused: there is no host key; make one: crypto key generate ...");
}

void write_counts(const ListenerCounters& counters, NetworkFacts& facts) {
  facts.counts.push_back({"sluice_connections_admitted_total", "", counters.admitted.get()});
  for (size_t i = 1; i < counters.refused.size(); ++i) {
    std::string label = "reason=\"";
    label.append(describe(static_cast<ConnectAnswer>(i))).append("\"");
    facts.counts.push_back({"sluice_connections_refused_total", label, counters.refused[i].get()});
  }
  facts.counts.push_back({"sluice_accept_pauses_total", "", counters.pauses.get()});
}

std::vector<EngineFacts> engine_facts(const std::string& spec, const KeyEngine* engine, const char* process) {
  if (spec.empty()) return {};
  // The commands behind the name may hold a PIN.
  EngineFacts facts{.name = parse_engine_spec(spec).name, .process = process, .state = "not-loaded"};
  if (engine != nullptr) {
    facts.state = engine->is_given_up() ? "given-up" : "in-service";
    facts.operations = engine->operations();
    facts.failures = engine->failures();
    facts.lacking = engine->lacking();
  }
  return {facts};
}

std::string text_of(const ListenerCounters& counters) {
  uint64_t refused = 0;
  for (const Counter& kind : counters.refused) refused += kind.get();
  std::string text = "admitted " + std::to_string(counters.admitted.get());
  append(text, "refused", refused);
  append(text, "pauses without descriptors", counters.pauses.get());
  return text;
}

}  // namespace sluice
