// Counts as a line of the log.
#include "apps/sluiced/served_counts.h"

namespace sluice {
namespace {

// In the order of ConnectionEnd.
constexpr std::array<std::string_view, 5> kEndNames{"orderly", "failed logins", "no login", "timed out", "misbehaved"};

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

std::string text_of(const ListenerCounters& counters) {
  uint64_t refused = 0;
  for (const Counter& kind : counters.refused) refused += kind.get();
  std::string text = "admitted " + std::to_string(counters.admitted.get());
  append(text, "refused", refused);
  append(text, "pauses without descriptors", counters.pauses.get());
  return text;
}

}  // namespace sluice
