// The far end of records over a wire: opens what it is sent and says how many, or seals for whoever asks.
//
// A connection begins with one line, "SLUICE-RECORDS 1 seal|open SUITE PAYLOAD DRIVER"; the verb is what the asking end
// does. Behind it come records one way, and of "seal" the other way 64-bit counts, big-endian, of what was opened.
#pragma once

#include <optional>
#include <string>

#include "apps/sluice/bench/record_ends.h"
#include "apps/sluice/bench/wire_link.h"

namespace sluice::bench {

struct WireOrder {
  Direction direction = Direction::seal;  // of the asking end
  RecordStream stream;

  std::string line() const;
  static std::optional<WireOrder> parse(std::string_view line);
};

// The line of an order, with its end, when all of it has come; nothing: not yet. Too much without an end is an empty
// line, which is no order.
std::optional<std::string> take_line(Transport& transport);
// Behind what waits to be sent. False: there is no room now.
bool say(Transport& transport, Bytes words);

// Says "ready" and serves until a signal ends it. The exit code.
int serve_records(const WireWishes& wishes);

}  // namespace sluice::bench
