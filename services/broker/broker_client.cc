// Requests out as the socket takes them, answers matched to what is open.
#include "services/broker/broker_client.h"

#include "base/check.h"
#include "services/broker/packet_socket.h"

namespace sluice {

BrokerClient::BrokerClient(UniqueFd link) : link_(std::move(link)) {
  SLUICE_CHECK(link_ && set_nonblocking(link_.get()));
}

void BrokerClient::answer_ourselves(uint32_t request, Failure failure) {
  own_answers_.push_back({request, std::move(failure), {}});
}

std::optional<uint32_t> BrokerClient::send(const BrokerRequest& request) {
  if (!has_room()) return std::nullopt;
  // Numbers may come around; one that is still open is passed over.
  do ++last_request_;
  while (last_request_ == 0 || open_.contains(last_request_));
  open_.insert(last_request_);
  auto packet = write_request(last_request_, request);
  if (!packet) {
    answer_ourselves(last_request_, failed(BrokerFault::invalid, "A name is too long or has a NUL in it"));
  } else if (ended_) {
    answer_ourselves(last_request_, failed(BrokerFault::gone, "The broker has ended"));
  } else {
    unsent_.push_back(std::move(*packet));
    flush();
  }
  return last_request_;
}

void BrokerClient::flush() {
  while (!unsent_.empty() && !ended_) {
    const PacketOutcome outcome = send_packet(link_.get(), unsent_.front(), {});
    if (outcome == PacketOutcome::would_block) return;
    // Answers may still be there to be read; the end shows behind them.
    if (outcome == PacketOutcome::ended) return unsent_.clear();
    unsent_.pop_front();
  }
}

std::optional<BrokerReceived> BrokerClient::receive() {
  if (own_answers_.empty() && !ended_) {
    if (auto received = receive_packet()) return received;
  }
  if (own_answers_.empty()) return std::nullopt;
  BrokerReceived own = std::move(own_answers_.front());
  own_answers_.pop_front();
  open_.erase(own.request);
  return own;
}

std::optional<BrokerReceived> BrokerClient::receive_packet() {
  ReceivedPacket packet = sluice::receive_packet(link_.get(), kMaxBrokerPacket, kMaxBrokerDescriptors);
  if (packet.outcome == PacketOutcome::would_block) return std::nullopt;
  if (packet.outcome == PacketOutcome::ended) return end(), std::nullopt;
  auto answer = read_answer(packet.bytes);
  // A user may have taken over his own broker: what it says is checked like any peer's.
  if (!answer) return end(), std::nullopt;
  const auto [least, most] = descriptors_of(answer->body);
  const bool asked = answer->request == 0 || open_.contains(answer->request);
  if (!asked || packet.descriptors.size() < least || packet.descriptors.size() > most) return end(), std::nullopt;
  open_.erase(answer->request);
  return BrokerReceived{answer->request, std::move(answer->body), std::move(packet.descriptors)};
}

void BrokerClient::end() {
  ended_ = true;
  unsent_.clear();
  for (const uint32_t request : open_)
    answer_ourselves(request, failed(BrokerFault::gone, "The broker ended before it answered"));
  answer_ourselves(0, failed(BrokerFault::gone, "The broker has ended"));
}

}  // namespace sluice
