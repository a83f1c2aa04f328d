// NeighbourTable: who has which Ethernet address, for ARP and NDP alike, in fixed memory.
//
// Strangers may ask us as much as they like: an entry that we use is never pushed out by one that only asked. What
// nobody answers for is asked again a few times and then forgotten.
#pragma once

#include <span>

#include "dataplane/netstack/net_settings.h"

namespace sluice {

class NeighbourTable {
 public:
  static constexpr size_t kMost = 256;
  // A header without payload; what waits for an answer is a SYN as a rule. Others are TCP's to send again.
  static constexpr size_t kMostWaiting = 160;
  static constexpr int kMostTries = 4;

  enum class Ask : uint8_t { nothing, multicast, unicast };
  struct Answer {
    const MacAddress* mac = nullptr;  // null: not known yet
    Ask ask = Ask::nothing;
  };
  // For a packet to that neighbour now. `frame` waits, if it is small enough, where the address is not known.
  Answer find(const IpAddress& neighbour, Bytes frame, uint64_t now_ns);
  // Somebody said where he is. An answer to our question proves that he hears us; whatever else he says only tells
  // of a change. Returns the frame that waited, empty as a rule, valid until the next call.
  MutableBytes heard(const IpAddress& neighbour, const MacAddress& mac, bool answer, bool may_add, uint64_t now_ns);
  // Calls ask(neighbour, mac or null) for questions that nobody has answered.
  template <class F>
  void tick(uint64_t now_ns, F&& ask) {
    for (Entry& entry : entries_) {
      if (!entry.used || !entry.asking || now_ns - entry.asked_ns < kAskAgainNs) continue;
      if (entry.tries >= kMostTries) {
        entry = Entry{};
        continue;
      }
      ++entry.tries;
      entry.asked_ns = now_ns;
      ask(entry.address, entry.known && entry.tries < kMostTries - 1 ? &entry.mac : nullptr);
    }
  }
  size_t size() const;
  uint64_t refused() const { return refused_; }

 private:
  static constexpr uint64_t kAskAgainNs = 1'000'000'000;
  // RFC 4861 section 10, REACHABLE_TIME; after it the next packet goes with a question beside it.
  static constexpr uint64_t kFreshNs = 30'000'000'000;

  struct Entry {
    IpAddress address{};
    MacAddress mac{};
    bool used = false;
    bool known = false;
    bool asking = false;
    bool ours = false;  // we have sent to it
    uint8_t tries = 0;
    uint16_t waiting = 0;
    uint64_t confirmed_ns = 0;
    uint64_t asked_ns = 0;
    uint64_t touched_ns = 0;
    std::array<uint8_t, kMostWaiting> frame{};
  };
  Entry* entry_of(const IpAddress& neighbour);
  // A free place, or that of whoever was not needed for longest.
  Entry* place_for(const IpAddress& neighbour, bool ours, uint64_t now_ns);

  std::array<Entry, kMost> entries_{};
  Entry* last_ = nullptr;
  uint64_t refused_ = 0;
};

}  // namespace sluice
