// NetworkAnswers: what operators ask of the network process: facts of it, and a few acts: a session's end, new keys,
// what is told for debugging.
#pragma once

#include <pthread.h>

#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "apps/sluiced/port_setup.h"
#include "apps/sluiced/process_link.h"
#include "apps/sluiced/served_counts.h"
#include "apps/sluiced/session_book.h"
#include "control/management/debug_wish.h"
#include "control/monitor_gate.h"
#include "dataplane/worker.h"

namespace sluice {

// A line for who debugs, by the link. Bounded: beyond so many in a second they are dropped, and how many is told.
class DebugLines {
 public:
  explicit DebugLines(ProcessLink& link) : link_(link) {}
  // From now on, and as a mask for everybody who makes lines.
  void set_wishes(std::vector<DebugWish> wishes);
  void tell(uint32_t kind, const Login& login, std::string_view line);
  // A note of what a channel turned out to be.
  void tell_channel(const Login& login, const SinkNote& note);

 private:
  void send(uint32_t kind, const Login& login, std::string_view line);

  ProcessLink& link_;
  std::vector<DebugWish> wishes_;
  uint64_t second_ = 0;
  unsigned told_ = 0;
  uint64_t dropped_ = 0;
};

// What there is to look at. All of it outlives the answers.
struct NetworkParts {
  ControlLoop& loop;
  const SessionBook& book;
  const std::vector<std::unique_ptr<Worker>>& workers;
  const std::vector<std::thread>& threads;
  const ServedCounts& counts;
  const std::unique_ptr<Listener>& listener;
  MonitorGate& gate;
  const ServedPort& port;
  DebugLines& debug;
  const std::string& engine_spec;
  const KeyEngine* engine;
};

NetworkFacts facts_of(const NetworkParts& parts);

// Answers one order `ask` on the link.
void answer_question(const NetworkParts& parts, ProcessLink& link, const ReceivedOrder& order);

}  // namespace sluice
