// Links come, links go, and after the last one a while of waiting.
#include "services/broker/broker.h"

#include "services/broker/broker_link.h"

namespace sluice {

Broker::Broker(UserIdentity identity, BrokerSettings settings, const DigestMaker& digests)
    : identity_(std::move(identity)), settings_(settings), digests_(digests), side_(loop_) {
  on_idle_ = [this] { loop_.stop(); };
  look_whether_idle();
}

Broker::~Broker() = default;

void Broker::attach(UniqueFd link, LinkPolicy policy) {
  ++idle_round_;
  const uint64_t number = ++last_link_;
  auto made = std::make_shared<BrokerLink>(*this, number, std::move(link), std::move(policy));
  if (made->begin()) links_.emplace(number, std::move(made));
  look_whether_idle();
}

void Broker::retire(uint64_t link) {
  loop_.after(0, [this, link] {
    links_.erase(link);
    look_whether_idle();
  });
}

void Broker::look_whether_idle() {
  if (busy()) return;
  loop_.after(settings_.linger_ms, [this, round = ++idle_round_] {
    if (round == idle_round_ && !busy()) on_idle_();
  });
}

}  // namespace sluice
