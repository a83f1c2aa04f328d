// ServedCounts: how connections ended, by kind and by the reason that each error of the table has.
#pragma once

#include <optional>
#include <string>

#include "base/counter.h"
#include "base/error.h"
#include "control/auth/login_limits.h"
#include "control/listener.h"
#include "control/transport/transport_machine.h"

namespace sluice {

class ServedCounts {
 public:
  void ended(ConnectionEnd end, const std::optional<Closing>& closing);
  void no_broker() { no_broker_.add(); }
  // One line: every kind of end, and the reasons that there were.
  std::string text() const;

 private:
  std::array<Counter, 5> ends_;
  std::array<Counter, kErrors.size()> errors_;
  Counter by_peer_;
  Counter vanished_;
  Counter no_broker_;
};

// What a listener turned away.
std::string text_of(const ListenerCounters& counters);

}  // namespace sluice
