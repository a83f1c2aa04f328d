// Numbers on orders, answers to whom they concern.
#include "services/broker/broker_starter.h"

#include <sys/wait.h>

#include <algorithm>

#include "services/broker/packet_socket.h"
#include "services/broker/starter_keeper.h"
#include "services/broker/starter_protocol.h"

namespace sluice {

std::unique_ptr<BrokerStarter> BrokerStarter::fork_off(const StarterSettings& settings, const DigestMaker& digests) {
  auto [ours, theirs] = make_packet_pair();
  if (!ours) return nullptr;
  const pid_t pid = ::fork();
  if (pid < 0) return nullptr;
  if (pid == 0) {
    ours.reset();
    keep_starter(std::move(theirs), settings, digests);
    ::_exit(0);
  }
  return std::make_unique<BrokerStarter>(std::move(ours), pid);
}

BrokerStarter::~BrokerStarter() {
  orders_.reset();
  if (process_ > 0) ::waitpid(process_, nullptr, 0);
}

void BrokerStarter::attach(const UserIdentity& identity, const LinkPolicy& policy, Then then,
                           const std::string& source) {
  if (ended_) return then(fail("the process that starts sessions has ended"));
  if (queued_.size() >= kMaxOrdersQueued) return then(fail("too many sessions are being started"));
  do ++last_number_;
  while (last_number_ == 0 || open_.contains(last_number_));
  const auto encoded = encode(policy);
  auto packet = encoded ? encode(LinkOrder{last_number_, identity, source, *encoded}) : std::nullopt;
  if (!packet) return then(fail("what the user may do is too long to say"));
  open_.emplace(last_number_, std::move(then));
  queued_.push_back({last_number_, std::move(*packet)});
  flush();
}

void BrokerStarter::flush() {
  while (!queued_.empty() && !ended_ && open_.size() - queued_.size() < kMaxOrdersOut) {
    const PacketOutcome outcome = send_packet(orders_.get(), queued_.front().packet, {});
    // There are orders out then; their answers bring us back here.
    if (outcome == PacketOutcome::would_block) return;
    if (outcome == PacketOutcome::ended) return end();
    queued_.pop_front();
  }
}

void BrokerStarter::receive() {
  while (!ended_) {
    ReceivedPacket packet = receive_packet(orders_.get(), kMaxStarterPacket, 1);
    if (packet.outcome == PacketOutcome::would_block) break;
    if (packet.outcome == PacketOutcome::ended) return end();
    auto made = decode_made(packet.bytes);
    if (!made || packet.descriptors.size() != (made->error.empty() ? 1u : 0u)) return end();
    if (made->number == 0) {
      ++restarts_;
      fail_sent(made->error);
      continue;
    }
    const auto found = open_.find(made->number);
    // An order that a dead starter left behind; nobody waits for the link.
    if (found == open_.end()) continue;
    const Then then = std::move(found->second);
    open_.erase(found);
    if (made->error.empty())
      then(std::move(packet.descriptors[0]));
    else
      then(fail(std::move(made->error)));
  }
  flush();
}

// Those that wait here were not seen by the one that died.
void BrokerStarter::fail_sent(const std::string& why) {
  std::vector<Then> lost;
  for (auto each = open_.begin(); each != open_.end();) {
    const bool waits =
        std::any_of(queued_.begin(), queued_.end(), [&](const Order& order) { return order.number == each->first; });
    if (!waits) lost.push_back(std::move(each->second));
    each = waits ? std::next(each) : open_.erase(each);
  }
  for (const Then& then : lost) then(fail(why));
}

void BrokerStarter::end() {
  ended_ = true;
  queued_.clear();
  for (auto& [number, then] : std::exchange(open_, {})) then(fail("the process that starts sessions has ended"));
}

}  // namespace sluice
