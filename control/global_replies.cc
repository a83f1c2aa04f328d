// Keeping order.
#include "control/global_replies.h"

#include "base/check.h"
#include "base/message_numbers.h"
#include "base/wire.h"

namespace sluice {

std::optional<uint64_t> GlobalReplies::owe() {
  if (waiting_.size() == kMaxOwedReplies) return std::nullopt;
  waiting_.emplace_back();
  return first_ + waiting_.size() - 1;
}

void GlobalReplies::answer(uint64_t place, bool success, Bytes data) {
  SLUICE_CHECK(place >= first_ && place - first_ < waiting_.size() && !waiting_[place - first_]);
  WireWriter message;
  message.u8(success ? kMsgRequestSuccess : kMsgRequestFailure);
  if (success) message.raw(data);
  waiting_[place - first_] = message.take();
  while (!waiting_.empty() && waiting_.front()) {
    auto next = std::move(*waiting_.front());
    waiting_.pop_front();
    ++first_;
    send_(std::move(next));
  }
}

}  // namespace sluice
