// Families one after the other, each with its type in front. Sessions are counted, not listed: labels that come and go
// with every connection would fill any server's memory.
#include "control/management/prometheus_text.h"

#include <array>
#include <cstdio>
#include <map>

#include "base/counter.h"

namespace sluice {
namespace {

struct Family {
  const char* type;
  const char* help;
};

const std::map<std::string_view, Family>& families() {
  static const std::map<std::string_view, Family> all{
      {"sluice_sessions", {"gauge", "Sessions that have logged in."}},
      {"sluice_strangers", {"gauge", "Connections that have not logged in yet."}},
      {"sluice_channels", {"gauge", "Channels by what runs in them."}},
      {"sluice_host_keys", {"gauge", "Host keys that serve."}},
      {"sluice_handshakes_total", {"counter", "First exchanges of keys that were completed."}},
      {"sluice_auth_results_total", {"counter", "Tries to log in, by method and what the monitor said."}},
      {"sluice_logins_total", {"counter", "Logins by their methods."}},
      {"sluice_connections_admitted_total", {"counter", "Connections that were let in."}},
      {"sluice_connections_refused_total", {"counter", "Connections that were turned away, by the reason."}},
      {"sluice_connections_ended_total", {"counter", "Connections that ended, by how."}},
      {"sluice_connections_left_total", {"counter", "Connections that the other side ended, by whose word."}},
      {"sluice_errors_total", {"counter", "Connections that we ended for an error, by the error."}},
      {"sluice_broker_failures_total", {"counter", "Logins that got no process of their own."}},
      {"sluice_accept_pauses_total", {"counter", "Times without descriptors to accept with."}},
      {"sluice_worker_sessions", {"gauge", "Sessions of a worker."}},
      {"sluice_worker_cpu_seconds_total", {"counter", "Processor time of a worker."}},
      {"sluice_worker_turns_total", {"counter", "Turns of a worker's loop."}},
      {"sluice_worker_busy_turns_total", {"counter", "Turns in which something moved."}},
      {"sluice_worker_spins_total", {"counter", "Looks of a worker in place of a wait."}},
      {"sluice_worker_sleeps_total", {"counter", "Waits of a worker."}},
      {"sluice_worker_records_total", {"counter", "Records that a worker sealed or opened."}},
      {"sluice_worker_batches_total", {"counter", "Batches that they came in."}},
      {"sluice_crypto_records_total", {"counter", "Records by driver and suite."}},
      {"sluice_crypto_bytes_total", {"counter", "Bytes by driver and suite."}},
      {"sluice_crypto_errors_total", {"counter", "Operations that came back undone."}},
      {"sluice_crypto_redone_total", {"counter", "Operations that were done again elsewhere."}},
      {"sluice_crypto_queue_depth", {"gauge", "Operations that a device holds."}},
      {"sluice_crypto_in_service", {"gauge", "Whether a driver is in service."}},
      {"sluice_crypto_outages_total", {"counter", "Times that a device was taken out of service."}},
      {"sluice_crypto_returns_total", {"counter", "Times that it came back."}},
      {"sluice_crypto_passed_over_total", {"counter", "Records that a device could have had and did not get."}},
      {"sluice_engine_in_service", {"gauge", "Whether an OpenSSL engine is in service."}},
      {"sluice_engine_operations_total", {"counter", "Operations by an OpenSSL engine."}},
      {"sluice_engine_failures_total", {"counter", "Operations that it failed at, and software did."}},
      {"sluice_engine_lacking_total", {"counter", "Operations that it has no methods for, and software did."}},
  };
  return all;
}

std::string label(const char* key, std::string_view value) {
  std::string out(key);
  out.append("=\"");
  for (const char c : value) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out.append("\"");
}

class Text {
 public:
  void add(const char* name, const std::string& labels, uint64_t value) { add(name, labels, std::to_string(value)); }
  void add(std::string_view name, const std::string& labels, const std::string& value) {
    std::string line(name);
    if (!labels.empty()) line.append("{").append(labels).append("}");
    lines_[std::string(name)].append(line.append(" ").append(value).append("\n"));
  }
  std::string whole() const {
    std::string out;
    for (const auto& [name, lines] : lines_) {
      const auto family = families().find(name);
      if (family == families().end()) continue;
      out.append("# HELP ").append(name).append(" ").append(family->second.help).append("\n");
      out.append("# TYPE ").append(name).append(" ").append(family->second.type).append("\n").append(lines);
    }
    return out;
  }

 private:
  std::map<std::string, std::string> lines_;
};

std::string seconds_text(double seconds) {
  std::array<char, 48> out{};
  std::snprintf(out.data(), out.size(), "%.9g", seconds);
  return out.data();
}

void add_sessions(Text& text, const NetworkFacts& facts) {
  uint64_t logged_in = 0;
  std::map<std::string, uint64_t> channels;
  for (const SessionFacts& session : facts.sessions) {
    logged_in += session.user.empty() ? 0 : 1;
    for (const ChannelFacts& channel : session.channels) ++channels[channel.type];
  }
  text.add("sluice_sessions", "", logged_in);
  text.add("sluice_strangers", "", facts.sessions.size() - logged_in);
  for (const auto& [type, count] : channels) text.add("sluice_channels", label("type", type), count);
  text.add("sluice_host_keys", "", facts.host_keys);
}

void add_workers(Text& text, const NetworkFacts& facts) {
  for (size_t i = 0; i < facts.workers.size(); ++i) {
    const WorkerFacts& worker = facts.workers[i];
    const std::string which = label("worker", std::to_string(i));
    text.add("sluice_worker_sessions", which, worker.sessions);
    text.add("sluice_worker_cpu_seconds_total", which, seconds_text(static_cast<double>(worker.cpu_ns) / 1e9));
    text.add("sluice_worker_turns_total", which, worker.turns);
    text.add("sluice_worker_busy_turns_total", which, worker.busy_turns);
    text.add("sluice_worker_spins_total", which, worker.spins);
    text.add("sluice_worker_sleeps_total", which, worker.sleeps);
    text.add("sluice_worker_records_total", which, worker.records);
    text.add("sluice_worker_batches_total", which, worker.batches);
  }
}

void add_drivers(Text& text, const NetworkFacts& facts) {
  for (const DriverFacts& driver : facts.drivers) {
    const std::string which = label("driver", driver.name);
    text.add("sluice_crypto_queue_depth", which, driver.held);
    text.add("sluice_crypto_in_service", which, driver.out_of_service ? 0 : 1);
    text.add("sluice_crypto_outages_total", which, driver.outages);
    text.add("sluice_crypto_returns_total", which, driver.returns);
    text.add("sluice_crypto_passed_over_total", which, driver.passed_over);
    for (const SuiteFacts& suite : driver.suites) {
      const std::string both = which + "," + label("suite", suite.suite);
      text.add("sluice_crypto_records_total", both, suite.records);
      text.add("sluice_crypto_bytes_total", both, suite.bytes);
      text.add("sluice_crypto_errors_total", both, suite.errors);
      text.add("sluice_crypto_redone_total", both, suite.redone);
    }
  }
}

void add_engines(Text& text, const NetworkFacts& facts) {
  for (const EngineFacts& engine : facts.engines) {
    const std::string which = label("engine", engine.name) + "," + label("process", engine.process);
    text.add("sluice_engine_in_service", which, engine.state == "in-service" ? 1 : 0);
    text.add("sluice_engine_operations_total", which, engine.operations);
    text.add("sluice_engine_failures_total", which, engine.failures);
    text.add("sluice_engine_lacking_total", which, engine.lacking);
  }
}

// Buckets of whole doublings: four times fewer lines say as much to a graph.
std::string rekeys_text(const NetworkFacts& facts) {
  std::string out =
      "# HELP sluice_rekey_seconds From a rekey's first message to its end.\n# TYPE sluice_rekey_seconds histogram\n";
  uint64_t below = 0;
  double sum = 0;
  for (size_t i = 0; i < facts.rekey_pauses.size() && i < LatencyHistogram::kBuckets; ++i) {
    below += facts.rekey_pauses[i];
    const double end = static_cast<double>(LatencyHistogram::bucket_end(i)) / 1e9;
    sum += static_cast<double>(facts.rekey_pauses[i]) * end;
    constexpr double kLeast = 1e-5, kMost = 100;
    if (i % LatencyHistogram::kPerDoubling != LatencyHistogram::kPerDoubling - 1 || end < kLeast || end > kMost)
      continue;
    out.append("sluice_rekey_seconds_bucket{le=\"").append(seconds_text(end)).append("\"} ");
    out.append(std::to_string(below)).append("\n");
  }
  out.append("sluice_rekey_seconds_bucket{le=\"+Inf\"} ").append(std::to_string(below)).append("\n");
  out.append("sluice_rekey_seconds_sum ").append(seconds_text(sum)).append("\n");
  return out.append("sluice_rekey_seconds_count ").append(std::to_string(below)).append("\n");
}

}  // namespace

std::string prometheus_text(const NetworkFacts& facts) {
  Text text;
  add_sessions(text, facts);
  add_workers(text, facts);
  add_drivers(text, facts);
  add_engines(text, facts);
  for (const CountFacts& count : facts.counts) text.add(count.name, count.label, std::to_string(count.value));
  return text.whole() + rekeys_text(facts);
}

}  // namespace sluice
