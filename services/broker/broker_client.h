// BrokerClient: a connection's end of its broker's link, in a worker. Nothing here waits.
//
// Quick requests are answered in the order in which they were sent. The slow ones (SyncFile, CopyData, CheckFile,
// ConnectTcp, ConnectUnix) may be overtaken: whoever needs an order between them and others waits for the answer.
#pragma once

#include <deque>
#include <optional>
#include <unordered_set>
#include <vector>

#include "base/unique_fd.h"
#include "services/broker/broker_protocol.h"

namespace sluice {

struct BrokerReceived {
  // 0: an event, or the end of the broker itself (Failure with BrokerFault::gone, the last that is received).
  uint32_t request = 0;
  BrokerAnswer answer;
  // As many as the answer's type says; the receiver's to keep or drop.
  std::vector<UniqueFd> descriptors;
};

class BrokerClient {
 public:
  // The end that came from the monitor; made non-blocking.
  explicit BrokerClient(UniqueFd link);

  // Readable: call receive() until it has nothing. Writable while wants_write(): call flush().
  int descriptor() const { return link_.get(); }
  bool wants_write() const { return !unsent_.empty(); }
  bool alive() const { return !ended_; }
  // receive() has something that no readiness of the descriptor will tell.
  bool answers_itself() const { return !own_answers_.empty(); }

  // Whether send() takes one more. False until an answer was received.
  bool has_room() const { return open_.size() < kMaxOpenRequestsOfLink; }
  // The request's number, never 0; nothing when there is no room. What cannot be sent (a NUL in a name, too long, no
  // broker) is answered with a Failure like any other.
  std::optional<uint32_t> send(const BrokerRequest& request);
  // A close that nobody waits for: goes with the next flush() or send(). Its handle bounds how many there are.
  void tell(const CloseHandle& close);
  void flush();
  // Requests whose answers have not come.
  bool awaits_answers() const { return !open_.empty(); }
  // The next answer or event. Nothing: would block, or ended and everything was told.
  std::optional<BrokerReceived> receive();
  // Descriptors of packets that were refused, which ended the link. Closing one may mean waiting for somebody.
  std::vector<UniqueFd> take_refused() { return std::exchange(refused_, {}); }

 private:
  std::optional<BrokerReceived> receive_packet();
  bool acceptable(const Numbered<BrokerAnswer>& answer, const std::vector<UniqueFd>& descriptors) const;
  void refuse(std::vector<UniqueFd>&& descriptors);
  void end();
  void answer_ourselves(uint32_t request, Failure failure);

  UniqueFd link_;
  uint32_t last_request_ = 0;
  std::unordered_set<uint32_t> open_;
  std::unordered_set<uint32_t> files_wanted_;  // of those the ones that open a file
  std::vector<UniqueFd> refused_;
  std::deque<std::vector<uint8_t>> unsent_;
  std::deque<BrokerReceived> own_answers_;
  bool ended_ = false;
};

}  // namespace sluice
