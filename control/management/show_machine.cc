// What the routers have no word for: workers, devices, the port, brokers.
#include <array>
#include <cstdio>
#include <memory>

#include "control/management/config_ledger.h"
#include "control/management/exec_handlers.h"
#include "control/management/shell_session.h"

namespace sluice::exec {
namespace {

constexpr const char* kNoPort = "There is no port (port dpdk DEVICE)\n";

std::string number(uint64_t value) { return std::to_string(value); }

std::string percent(double part, double whole) {
  std::array<char, 32> out{};
  std::snprintf(out.data(), out.size(), "%.1f%%", whole > 0 ? 100 * part / whole : 0);
  return out.data();
}

std::string ratio(double part, double whole) {
  std::array<char, 32> out{};
  std::snprintf(out.data(), out.size(), "%.1f", whole > 0 ? part / whole : 0);
  return out.data();
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out.append(out.empty() ? "" : " ").append(word);
  return out;
}

Report::Table driver_table(const NetworkFacts& facts) {
  Report::Table table{"drivers",
                      {{"Driver", 12},
                       {"Kind", 9},
                       {"State", 15},
                       {"Held", 6},
                       {"Outages", 8},
                       {"Returns", 8},
                       {"Passed-over", 12},
                       {"Records", 12},
                       {"Errors", 7},
                       {"Redone"}}};
  table.ruled = true;
  for (const DriverFacts& driver : facts.drivers) {
    uint64_t records = 0, errors = 0, redone = 0;
    for (const SuiteFacts& suite : driver.suites)
      records += suite.records, errors += suite.errors, redone += suite.redone;
    table.rows.push_back({driver.name, driver.hardware ? "hardware" : "software",
                          driver.out_of_service ? "out-of-service" : "in-service", number(driver.held),
                          number(driver.outages), number(driver.returns), number(driver.passed_over), number(records),
                          number(errors), number(redone)});
  }
  return table;
}

Report::Table engine_table(const NetworkFacts& facts) {
  Report::Table table{
      "engines", {{"Engine", 24}, {"Process", 8}, {"State", 11}, {"Operations", 12}, {"Failures", 9}, {"Lacking"}}};
  table.ruled = true;
  for (const EngineFacts& engine : facts.engines)
    table.rows.push_back({engine.name, engine.process, engine.state, number(engine.operations), number(engine.failures),
                          number(engine.lacking)});
  return table;
}

}  // namespace

void show_dataplane(Command exec) {
  Report::Table table{"workers",
                      {{"Worker", 7},
                       {"Sessions", 9},
                       {"Load", 7},
                       {"Turns", 12},
                       {"Busy", 12},
                       {"Spins", 12},
                       {"Sleeps", 12},
                       {"Records", 12},
                       {"Batches", 12},
                       {"Records/Batch", 14},
                       {"ns/Record", 10},
                       {"Cycles/Record", 14},
                       {"Events", 7},
                       {"Commands"}}};
  table.ruled = true;
  for (size_t i = 0; i < exec->facts.workers.size(); ++i) {
    const WorkerFacts& worker = exec->facts.workers[i];
    const double cycles = static_cast<double>(worker.cpu_ns) / 1000 * static_cast<double>(exec->facts.cycles_per_us);
    table.rows.push_back({number(i), number(worker.sessions),
                          percent(static_cast<double>(worker.cpu_ns), static_cast<double>(worker.since_ns)),
                          number(worker.turns), number(worker.busy_turns), number(worker.spins), number(worker.sleeps),
                          number(worker.records), number(worker.batches),
                          ratio(static_cast<double>(worker.records), static_cast<double>(worker.batches)),
                          ratio(static_cast<double>(worker.cpu_ns), static_cast<double>(worker.records)),
                          exec->facts.cycles_per_us == 0 ? "-" : ratio(cycles, static_cast<double>(worker.records)),
                          number(worker.events_waiting), number(worker.commands_waiting)});
  }
  exec->report.eyes(date_line(*exec));
  exec->report.table(std::move(table));
}

void show_offload(Command exec) {
  exec->report.eyes(date_line(*exec));
  exec->report.table(driver_table(exec->facts));
  Report::Table table{"suites",
                      {{"Driver", 12},
                       {"Suite", 44},
                       {"Records", 12},
                       {"Bytes", 16},
                       {"Errors", 7},
                       {"Redone", 7},
                       {"Median-ns", 10},
                       {"P99-ns"}}};
  table.ruled = true;
  for (const DriverFacts& driver : exec->facts.drivers)
    for (const SuiteFacts& suite : driver.suites)
      table.rows.push_back({driver.name, suite.suite, number(suite.records), number(suite.bytes), number(suite.errors),
                            number(suite.redone), number(suite.median_ns), number(suite.worst_ns)});
  exec->report.eyes("\n");
  exec->report.table(std::move(table));
  if (exec->facts.engines.empty()) return;
  exec->report.eyes("\n");
  exec->report.table(engine_table(exec->facts));
}

// For a screen that is drawn again and again: the client subtracts.
void show_top(Command exec) {
  Report::Table table{
      "sessions",
      {{"id", 6}, {"user", 12}, {"host", 20}, {"cipher", 24}, {"in", 16}, {"out", 16}, {"rekeys", 7}, {"type"}}};
  for (const SessionFacts& one : exec->facts.sessions)
    table.rows.push_back({number(one.id), one.user.empty() ? "-" : one.user, one.source, one.in.cipher,
                          number(one.in.bytes), number(one.out.bytes),
                          number(one.exchanges == 0 ? 0 : one.exchanges - 1),
                          one.channels.empty() ? "-" : one.channels.front().type});
  exec->report.table(std::move(table));
  Report::Table workers{"workers", {{"worker", 7}, {"cpu_ns", 16}, {"since_ns", 16}, {"sessions"}}};
  for (size_t i = 0; i < exec->facts.workers.size(); ++i) {
    const WorkerFacts& worker = exec->facts.workers[i];
    workers.rows.push_back({number(i), number(worker.cpu_ns), number(worker.since_ns), number(worker.sessions)});
  }
  exec->report.table(std::move(workers));
  exec->report.table(driver_table(exec->facts));
}

void show_port(Command exec) {
  const PortConfig& port = exec->host.running().port;
  exec->report.eyes(date_line(*exec));
  if (port.device.empty()) return exec->report.text("port", kNoPort);
  std::vector<std::string> routes;
  for (const auto& [network, gateway] : port.routes) routes.push_back(network + " by " + gateway);
  exec->report.facts("port",
                     {{"Device", port.device},
                      {"Addresses", joined(port.addresses)},
                      {"Gateways", joined(port.gateways)},
                      {"Routes", joined(routes)},
                      {"MTU", number(port.mtu)}},
                     " : ");
  std::string text;
  for (const std::string& line : exec->facts.port) text.append(line).append("\n");
  exec->report.text("counts", std::move(text));
}

void show_port_connections(Command exec) {
  if (exec->host.running().port.device.empty()) return exec->report.text("connections", kNoPort);
  exec->report.eyes(date_line(*exec));
  Report::Table table{"connections",
                      {{"Local", 24},
                       {"Remote", 24},
                       {"State", 12},
                       {"MSS", 6},
                       {"Cwnd", 10},
                       {"Ssthresh", 10},
                       {"RTT us", 9},
                       {"RTO us", 9},
                       {"In flight", 10},
                       {"Peer window", 12},
                       {"In", 14},
                       {"Out", 14},
                       {"Retransmits", 11},
                       {"Timeouts"}}};
  table.ruled = true;
  for (const PortConnectionFacts& one : exec->facts.port_connections) {
    table.rows.push_back({one.local, one.remote, one.state, number(one.mss), number(one.cwnd), number(one.ssthresh),
                          number(one.rtt_us), number(one.rto_us), number(one.in_flight), number(one.peer_window),
                          number(one.in), number(one.out), number(one.retransmits), number(one.timeouts)});
  }
  exec->report.table(std::move(table));
}

// The kernel is asked away from this thread: it may have many processes.
void show_brokers(Command exec) {
  const auto found = std::make_shared<std::vector<BrokerFacts>>();
  exec->later = true;
  const bool taken = exec->host.run_slowly(
      [found, census = exec->host.broker_census()] { *found = census(); },
      [exec, found] {
        if (!*exec->shell_lives) return;
        exec->report.eyes(date_line(*exec));
        Report::Table table{"brokers",
                            {{"Process", 9}, {"User", 16}, {"Seconds", 9}, {"Programs", 9}, {"Resident(KB)"}}};
        table.ruled = true;
        for (const BrokerFacts& one : *found)
          table.rows.push_back({number(static_cast<uint64_t>(one.process)), one.user, number(one.seconds),
                                number(one.programs), number(one.kilobytes)});
        exec->report.table(std::move(table));
        exec->finish();
      });
  if (taken) return;
  exec->later = false;
  exec->refuse("too much is being done; try again");
}

}  // namespace sluice::exec
