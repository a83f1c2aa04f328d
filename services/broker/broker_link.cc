// Packets in, policy asked, answers out; a link whose answers are not fetched is not read either.
#include "services/broker/broker_link.h"

#include <sys/epoll.h>
#include <sys/stat.h>

#include "base/check.h"
#include "services/broker/link_rights.h"
#include "services/broker/packet_socket.h"

namespace sluice {
namespace {

// Requests taken before other links get their turn.
constexpr int kPacketsATurn = 16;

bool is_folder(const std::string& path) {
  struct stat facts;
  return ::stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode);
}

// Where relative paths begin. A home that is missing, as in a root of its own, is no reason to refuse a session.
std::string start_of(const LinkPolicy& policy, const UserIdentity& identity) {
  std::string home = identity.home.starts_with('/') && is_folder(identity.home) ? identity.home : "/";
  if (policy.start_folder.empty()) return home;
  if (policy.start_folder.starts_with('/')) return policy.start_folder;
  return home.append("/").append(policy.start_folder);
}

}  // namespace

BrokerLink::BrokerLink(Broker& broker, uint64_t number, UniqueFd socket, LinkPolicy policy)
    : broker_(broker),
      number_(number),
      socket_(std::move(socket)),
      policy_(std::move(policy)),
      start_folder_(start_of(policy_, broker.identity())) {}

BrokerLink::~BrokerLink() {
  broker_.loop().unwatch(socket_.get());
  broker_.side().cancel(number_);
  broker_.orphan(number_);
}

bool BrokerLink::begin() {
  watched_ = EPOLLIN;
  return set_nonblocking(socket_.get()) &&
         broker_.loop().watch(socket_.get(), watched_, [this](uint32_t events) { on_ready(events); });
}

void BrokerLink::end() {
  if (std::exchange(ended_, true)) return;
  broker_.loop().unwatch(socket_.get());
  broker_.retire(number_);
}

void BrokerLink::on_ready(uint32_t events) {
  if ((events & EPOLLOUT) != 0) flush();
  // What is gone reads no answers; what it had sent before is not worth doing any more.
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) return end();
  if ((events & EPOLLIN) != 0) take_packets();
}

void BrokerLink::take_packets() {
  broker_.note_work();
  for (int i = 0; i < kPacketsATurn && !ended_ && !full(); ++i) {
    const ReceivedPacket packet = receive_packet(socket_.get(), kMaxBrokerPacket, 0);
    if (packet.outcome == PacketOutcome::would_block) break;
    if (packet.outcome == PacketOutcome::ended) return end();
    const auto request = read_request(packet.bytes);
    if (!request) return end();
    if (auto refused = refusal(policy_, request->body)) {
      answer(request->request, std::move(*refused));
      continue;
    }
    std::visit([&](const auto& body) { take(request->request, body); }, request->body);
    // Before looking for more: somebody waits.
    flush();
  }
  flush();
}

void BrokerLink::flush() {
  while (!out_.empty() && !ended_) {
    const PacketOutcome outcome = send_packet(socket_.get(), out_.front().packet, out_.front().descriptors);
    if (outcome == PacketOutcome::ended) return end();
    if (outcome == PacketOutcome::would_block) break;
    give_back(out_.front());
    out_.pop_front();
  }
  if (ended_) return;
  const uint32_t wanted = (full() ? 0u : uint32_t{EPOLLIN}) | (out_.empty() ? 0u : uint32_t{EPOLLOUT});
  if (std::exchange(watched_, wanted) != wanted) broker_.loop().change(socket_.get(), wanted);
}

void BrokerLink::give_back(Answer& sent) {
  if (sent.handle == 0 || sent.descriptors.empty()) return;
  const auto found = handles_.find(sent.handle);
  auto* file = found != handles_.end() ? std::get_if<UniqueFd>(&found->second) : nullptr;
  if (file) *file = std::move(sent.descriptors.front());
}

void BrokerLink::answer(uint32_t request, const BrokerAnswer& body, std::vector<UniqueFd> descriptors,
                        uint32_t handle) {
  auto packet = write_answer(request, body);
  // Of our own texts none is too long; names that came from elsewhere may be.
  if (!packet) {
    packet = write_answer(request, failed(BrokerFault::name_too_long, "The answer does not fit"));
    descriptors.clear();
  }
  SLUICE_CHECK(packet.has_value());
  out_.push_back({std::move(*packet), std::move(descriptors), handle});
}

void BrokerLink::answer(uint32_t request, const Outcome<void>& outcome) {
  if (outcome)
    answer(request, Done{});
  else
    answer(request, outcome.error());
}

void BrokerLink::aside(uint32_t request, std::function<BrokerAnswer(const std::atomic<bool>&)> work) {
  const bool begun = broker_.side().submit(
      number_, [link = weak_from_this(), request, work = std::move(work)](const std::atomic<bool>& cancelled) {
        auto result = std::make_shared<BrokerAnswer>(work(cancelled));
        return [link, request, result] {
          const auto self = link.lock();
          if (!self || self->ended_) return;
          --self->slow_;
          self->answer(request, *result);
          self->flush();
        };
      });
  if (!begun) return answer(request, failed(BrokerFault::too_many, "No thread to be had"));
  ++slow_;
}

}  // namespace sluice
