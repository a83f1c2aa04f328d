// Requests out as the socket takes them, answers matched to what is open.
#include "services/broker/broker_client.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"
#include "base/file_nature.h"
#include "services/broker/packet_socket.h"

namespace sluice {
namespace {

// A worker reads and writes it: a pipe, a socket or a device, and one that says when it would have to wait.
bool becomes_stream(int descriptor) {
  struct statx facts;
  if (!nature_of(descriptor, facts)) return false;
  const bool stream = S_ISFIFO(facts.stx_mode) || S_ISSOCK(facts.stx_mode) || S_ISCHR(facts.stx_mode);
  const int flags = stream ? ::fcntl(descriptor, F_GETFL) : -1;
  return flags >= 0 && ((flags & O_NONBLOCK) != 0 || ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0);
}

}  // namespace

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
  if (std::holds_alternative<OpenFile>(request)) files_wanted_.insert(last_request_);
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

void BrokerClient::tell(const CloseHandle& close) {
  if (ended_) return;
  unsent_.push_back(*write_request(0, close));
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
  files_wanted_.erase(own.request);
  return own;
}

// Files only for whoever asked for one and knows that they may make him wait; all else is a stream that never does.
bool BrokerClient::acceptable(const Numbered<BrokerAnswer>& answer, const std::vector<UniqueFd>& descriptors) const {
  const auto [least, most] = descriptors_of(answer.body);
  if (answer.request != 0 && !open_.contains(answer.request)) return false;
  if (descriptors.size() < least || descriptors.size() > most) return false;
  if (std::holds_alternative<FileOpened>(answer.body)) return files_wanted_.contains(answer.request);
  return std::all_of(descriptors.begin(), descriptors.end(),
                     [](const UniqueFd& descriptor) { return becomes_stream(descriptor.get()); });
}

void BrokerClient::refuse(std::vector<UniqueFd>&& descriptors) {
  std::move(descriptors.begin(), descriptors.end(), std::back_inserter(refused_));
  end();
}

std::optional<BrokerReceived> BrokerClient::receive_packet() {
  ReceivedPacket packet = sluice::receive_packet(link_.get(), kMaxBrokerPacket, kMaxBrokerDescriptors);
  if (packet.outcome == PacketOutcome::would_block) return std::nullopt;
  if (packet.outcome == PacketOutcome::ended) return end(), std::nullopt;
  auto answer = read_answer(packet.bytes);
  // A user may have taken over his own broker: what it says is checked like any peer's.
  if (!answer) return refuse(std::move(packet.descriptors)), std::nullopt;
  if (!acceptable(*answer, packet.descriptors)) return refuse(std::move(packet.descriptors)), std::nullopt;
  files_wanted_.erase(answer->request);
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
