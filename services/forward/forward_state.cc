// Asking the broker for connections, a few at a time.
#include "services/forward/forward_state.h"

#include <algorithm>

namespace sluice {

uint64_t ForwardState::connect(BrokerRequest request, Then then) {
  thens_[++last_ticket_] = std::move(then);
  waiting_.push_back({last_ticket_, std::move(request)});
  ask_waiting();
  return last_ticket_;
}

void ForwardState::forget(uint64_t ticket) {
  thens_.erase(ticket);
  std::erase_if(waiting_, [&](const Waiting& waiting) { return waiting.ticket == ticket; });
}

void ForwardState::ask_waiting() {
  while (!waiting_.empty() && asked_ < kMaxConnecting) {
    const Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    ++asked_;
    broker_.ask(caller_, next.request, [this, ticket = next.ticket](BrokerReceived&& received) {
      --asked_;
      const auto found = thens_.find(ticket);
      if (found != thens_.end()) {
        const Then then = std::move(found->second);
        thens_.erase(found);
        then(std::move(received));
      }
      ask_waiting();
    });
  }
}

}  // namespace sluice
