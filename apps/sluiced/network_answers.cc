// Counters of other threads are read as they are: nobody stands still for an operator.
#include "apps/sluiced/network_answers.h"

#include <time.h>

#include <algorithm>
#include <charconv>

#include "base/clock.h"
#include "base/debug_words.h"

namespace sluice {
namespace {

constexpr uint64_t kNsInS = 1'000'000'000;
constexpr unsigned kMostLinesASecond = 2000;
// A threshold beyond it is none yet.
constexpr uint64_t kMostWindow = uint64_t{1} << 40;
const uint64_t kBeganNs = monotonic_clock().now_ns();

uint64_t cpu_of(const std::thread& thread) {
  clockid_t clock;
  timespec used{};
  if (::pthread_getcpuclockid(const_cast<std::thread&>(thread).native_handle(), &clock) != 0 ||
      ::clock_gettime(clock, &used) != 0)
    return 0;
  return static_cast<uint64_t>(used.tv_sec) * kNsInS + static_cast<uint64_t>(used.tv_nsec);
}

#if defined(__x86_64__)
struct Look {
  uint64_t cycles = __builtin_ia32_rdtsc(), ns = monotonic_clock().now_ns();
};
const Look kFirstLook;

// Of the time stamp counter, since this process began.
uint64_t cycles_per_us() {
  const Look now;
  // Of a shorter time it would be a guess.
  constexpr uint64_t kLeastNs = 10'000'000;
  if (now.ns - kFirstLook.ns < kLeastNs) return 0;
  return (now.cycles - kFirstLook.cycles) / ((now.ns - kFirstLook.ns) / 1000);
}
#else
uint64_t cycles_per_us() { return 0; }
#endif

void add_workers(const NetworkParts& parts, NetworkFacts& facts) {
  for (size_t i = 0; i < parts.workers.size(); ++i) {
    const WorkerCounters& counters = parts.workers[i]->counters();
    WorkerFacts& worker = facts.workers.emplace_back();
    worker.sessions = parts.loop.sessions_on(i);
    worker.turns = counters.turns.get();
    worker.busy_turns = counters.busy.get();
    worker.spins = counters.spins.get();
    worker.sleeps = counters.sleeps.get();
    worker.records = counters.records.get();
    worker.batches = counters.batches.get();
    if (i < parts.threads.size()) worker.cpu_ns = cpu_of(parts.threads[i]);
    worker.since_ns = monotonic_clock().now_ns() - kBeganNs;
    worker.commands_waiting = parts.workers[i]->port().has_commands() ? 1 : 0;
  }
}

void add_suite(DriverFacts& driver, const CipherSuite& suite, const SuiteCounters& counters) {
  if (counters.records.get() == 0 && counters.errors.get() == 0) return;
  const std::string name(suite.name());
  auto found =
      std::find_if(driver.suites.begin(), driver.suites.end(), [&](const auto& one) { return one.suite == name; });
  if (found == driver.suites.end()) {
    found = driver.suites.emplace(found);
    found->suite = name;
  }
  found->records += counters.records.get();
  found->bytes += counters.bytes.get();
  found->errors += counters.errors.get();
  found->redone += counters.redone.get();
  found->median_ns = std::max(found->median_ns, counters.latency.percentile(50));
  found->worst_ns = std::max(found->worst_ns, counters.latency.percentile(99));
  for (const Counter& reason : counters.passed_over) driver.passed_over += reason.get();
}

void add_drivers(const NetworkParts& parts, NetworkFacts& facts) {
  for (const auto& worker : parts.workers) {
    const Dispatch& dispatch = worker->dispatch();
    const DriverSet& set = dispatch.drivers();
    for (size_t i = 0; i < set.size(); ++i) {
      const std::string name(set[i].name());
      auto found =
          std::find_if(facts.drivers.begin(), facts.drivers.end(), [&](const auto& one) { return one.name == name; });
      if (found == facts.drivers.end()) {
        found = facts.drivers.emplace(found);
        found->name = name;
      }
      const DriverCounters& counters = dispatch.counters(i);
      found->hardware = set[i].kind() == DriverKind::hardware;
      found->out_of_service = found->out_of_service || set.is_out(i);
      found->held += counters.held.load(std::memory_order_relaxed);
      found->outages += counters.outages.get();
      found->returns += counters.returns.get();
      for (const CipherSuite& suite : cipher_suites()) add_suite(*found, suite, counters.suite(suite.id));
    }
  }
}

PortConnectionFacts port_connection(const TcpConnectionFacts& from) {
  PortConnectionFacts facts;
  facts.local = endpoint_of(from.endpoints.local).text();
  facts.remote = endpoint_of(from.endpoints.remote).text();
  facts.state = kTcpStateNames[static_cast<size_t>(from.state)];
  facts.mss = from.mss;
  facts.cwnd = from.cwnd;
  facts.ssthresh = from.ssthresh < kMostWindow ? from.ssthresh : 0;
  facts.rtt_us = from.srtt_us;
  facts.rto_us = from.rto_us;
  facts.in_flight = from.in_flight;
  facts.peer_window = from.peer_window;
  facts.in = from.bytes_in;
  facts.out = from.bytes_out;
  facts.retransmits = from.retransmits;
  facts.timeouts = from.timeouts;
  return facts;
}

std::string act(const NetworkParts& parts, std::string_view verb, std::string_view what) {
  if (verb == "clear" && what == "all") {
    const size_t count = parts.loop.connections();
    parts.loop.close_all(Disconnect::by_application, "Cleared by the operator");
    return std::to_string(count) + " sessions ended\n";
  }
  if (verb == "rekey" && what == "all") {
    parts.loop.rekey_all();
    return "New keys for " + std::to_string(parts.loop.connections()) + " sessions\n";
  }
  SessionId id = 0;
  std::from_chars(what.data(), what.data() + what.size(), id);
  TransportMachine* machine = parts.loop.machine(id);
  if (machine == nullptr) return "% There is no session " + std::to_string(id) + "\n";
  if (verb == "clear") {
    machine->close(Disconnect::by_application, "Cleared by the operator");
    return "Session " + std::to_string(id) + " ended\n";
  }
  machine->rekey();
  return "New keys for session " + std::to_string(id) + "\n";
}

}  // namespace

NetworkFacts facts_of(const NetworkParts& parts) {
  NetworkFacts facts;
  parts.book.write(facts);
  add_workers(parts, facts);
  add_drivers(parts, facts);
  facts.engines = engine_facts(parts.engine_spec, parts.engine, "network");
  parts.counts.write(facts);
  if (parts.listener) {
    write_counts(parts.listener->counters(), facts);
    for (const Endpoint& place : parts.listener->endpoints()) {
      const std::string text = place.address.text();
      const bool any = text == "0.0.0.0" || text == "::";
      facts.listening.push_back((any ? text == "::" ? "any6" : "any" : text) + "," + std::to_string(place.port));
    }
  }
  facts.listening.insert(facts.listening.end(), parts.port.listening.begin(), parts.port.listening.end());
  if (parts.port.port) facts.port = {parts.port.port->about(), parts.port.port->statistics()};
  facts.cycles_per_us = cycles_per_us();
  facts.host_keys = parts.gate.host_keys() ? parts.gate.host_keys()->size() : 0;
  return facts;
}

void answer_question(const NetworkParts& parts, ProcessLink& link, const ReceivedOrder& order) {
  const std::string_view text = order.text;
  const size_t first = text.find(' ');
  if (first == text.npos) return;
  const std::string number(text.substr(0, first));
  const std::string_view question = text.substr(first + 1);
  const size_t second = std::min(question.find(' '), question.size());
  const std::string_view verb = question.substr(0, second),
                         what = question.substr(std::min(second + 1, question.size()));
  const auto reply = [&link, number](std::string_view answer) {
    const auto file = text_file(answer);
    if (file) link.send(Order::answer, number, {file->get()});
  };
  std::string answer;
  if (verb == "facts" && what == "port") {
    return list_port_connections(parts.port, parts.loop, [parts, reply](const std::vector<TcpConnectionFacts>& found) {
      NetworkFacts facts = facts_of(parts);
      for (const TcpConnectionFacts& one : found) facts.port_connections.push_back(port_connection(one));
      reply(text_of(facts.write()));
    });
  }
  if (verb == "facts") return reply(text_of(facts_of(parts).write()));
  if (verb == "settle") {
    // What was ordered before this is done; which keys serve we have asked, and hear.
    return parts.gate.when_listed([reply] { reply("settled\n"); });
  } else if (verb == "debug") {
    parts.debug.set_wishes(read_wishes(what));
  } else {
    answer = act(parts, verb, what);
  }
  reply(answer);
}

void DebugLines::set_wishes(std::vector<DebugWish> wishes) {
  uint32_t kinds = 0;
  for (const DebugWish& wish : wishes) kinds |= wish.kinds;
  wishes_ = std::move(wishes);
  debug_wanted.store(kinds & kDebugServer, std::memory_order_relaxed);
}

void DebugLines::tell(uint32_t kind, const Login& login, std::string_view line) {
  // Before any is counted: those that nobody wants take no place of the others.
  if (!any_wants(wishes_, kind, login.session, login.facts.source)) return;
  const uint64_t second = monotonic_clock().now_ns() / kNsInS;
  if (second != second_) {
    second_ = second;
    told_ = 0;
    if (const uint64_t dropped = std::exchange(dropped_, 0); dropped > 0)
      send(kind, login, "(" + std::to_string(dropped) + " lines were not told)");
  }
  if (++told_ > kMostLinesASecond) {
    ++dropped_;
    return;
  }
  send(kind, login, line);
}

// As the routers number them: SSHn for the connection, SSH2 n for the protocol's messages, and of one line not at all.
void DebugLines::send(uint32_t kind, const Login& login, std::string_view line) {
  const std::string number = std::to_string(login.session);
  const bool connection = line.find("protocol version id") != line.npos || line.starts_with("Session terminated") ||
                          line.starts_with("starting SSH control");
  std::string text = std::to_string(kind) + " " + number + " " + login.facts.source;
  text.append(connection ? " SSH" + number : line == "kex_derive_keys complete" ? " SSH2" : " SSH2 " + number);
  if (!link_.offer(Order::debug, text.append(": ").append(line))) ++dropped_;
}

void DebugLines::tell_channel(const Login& login, const SinkNote& note) {
  if (note.bytes.empty()) return tell(kDebugDetail, login, "channel close message received");
  if (text_of(Bytes(note.bytes).subspan(1)) == "Command-Line-Interface")
    tell(kDebugDetail, login, "starting shell for vty");
}

}  // namespace sluice
