// Looking up, learning and forgetting neighbours.
#include "dataplane/netstack/neighbours.h"

#include <algorithm>
#include <utility>

namespace sluice {

NeighbourTable::Entry* NeighbourTable::entry_of(const IpAddress& neighbour) {
  // Most packets go where the one before them went.
  if (last_ != nullptr && last_->used && last_->address == neighbour) return last_;
  for (Entry& entry : entries_) {
    if (entry.used && entry.address == neighbour) return last_ = &entry;
  }
  return nullptr;
}

NeighbourTable::Entry* NeighbourTable::place_for(const IpAddress& neighbour, bool ours, uint64_t now) {
  Entry* chosen = nullptr;
  for (Entry& entry : entries_) {
    if (!entry.used) {
      chosen = &entry;
      break;
    }
    // Ours may take anybody's place that is not in use; a stranger's only another stranger's.
    // Whom nobody answers for may be a stranger's invention, however often he makes us ask.
    const bool in_use = entry.ours && entry.known && now - entry.touched_ns < kFreshNs;
    if (in_use || (entry.ours && !ours)) continue;
    if (chosen == nullptr || entry.touched_ns < chosen->touched_ns) chosen = &entry;
  }
  if (chosen == nullptr) {
    ++refused_;
    return nullptr;
  }
  *chosen = Entry{};
  chosen->used = true;
  chosen->address = neighbour;
  chosen->touched_ns = now;
  return chosen;
}

NeighbourTable::Answer NeighbourTable::find(const IpAddress& neighbour, Bytes frame, uint64_t now) {
  Entry* entry = entry_of(neighbour);
  if (entry == nullptr) entry = place_for(neighbour, true, now);
  if (entry == nullptr) return {};
  entry->ours = true;
  entry->touched_ns = now;
  Answer answer;
  if (entry->known) {
    answer.mac = &entry->mac;
    if (!entry->asking && now - entry->confirmed_ns > kFreshNs) answer.ask = Ask::unicast;
  } else {
    if (!entry->asking) answer.ask = Ask::multicast;
    if (!frame.empty() && frame.size() <= kMostWaiting) {
      std::copy(frame.begin(), frame.end(), entry->frame.begin());
      entry->waiting = static_cast<uint16_t>(frame.size());
    }
  }
  if (answer.ask != Ask::nothing) {
    entry->asking = true;
    entry->tries = 1;
    entry->asked_ns = now;
  }
  return answer;
}

MutableBytes NeighbourTable::heard(const IpAddress& neighbour, const MacAddress& mac, bool answer, bool may_add,
                                   uint64_t now) {
  // A group's address, or none, is nobody's.
  if ((mac[0] & 1) != 0 || mac == MacAddress{} || !neighbour.is_unicast()) return {};
  Entry* entry = entry_of(neighbour);
  if (entry == nullptr && may_add) entry = place_for(neighbour, false, now);
  if (entry == nullptr) return {};
  const bool same = entry->known && entry->mac == mac;
  // An answer that nobody asked for moves an entry too, as RFC 826 has it, but is no proof.
  entry->mac = mac;
  entry->known = true;
  if (answer && entry->asking) {
    entry->confirmed_ns = now;
    entry->asking = false;
    entry->tries = 0;
  } else if (!same) {
    // Trusted for now, asked soon.
    entry->confirmed_ns = 0;
    if (entry->waiting > 0) entry->asking = false;
  }
  return {entry->frame.data(), std::exchange(entry->waiting, uint16_t{0})};
}

size_t NeighbourTable::size() const {
  return static_cast<size_t>(std::count_if(entries_.begin(), entries_.end(), [](const Entry& e) { return e.used; }));
}

}  // namespace sluice
