// GlobalReplies: what a peer's global requests are owed, in their order, however late each answer comes.
//
// RFC 4254 section 4: replies bear no number, so order is all that says which request one answers.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "base/bytes.h"

namespace sluice {

// Requests of one peer that wait. Each holds a place until the slowest before it is answered.
inline constexpr size_t kMaxOwedReplies = 64;

// Called once, now or later; whoever is late for a connection that ended is not heard.
using GlobalReply = std::function<void(bool success, Bytes data)>;

class GlobalReplies {
 public:
  explicit GlobalReplies(std::function<void(std::vector<uint8_t>)> send) : send_(std::move(send)) {}

  // The place of a reply in the order. Nothing: too many wait.
  std::optional<uint64_t> owe();
  void answer(uint64_t place, bool success, Bytes data);
  size_t owed() const { return waiting_.size(); }

 private:
  std::function<void(std::vector<uint8_t>)> send_;
  uint64_t first_ = 0;                                       // place of the front
  std::deque<std::optional<std::vector<uint8_t>>> waiting_;  // answers that came before their turn
};

}  // namespace sluice
