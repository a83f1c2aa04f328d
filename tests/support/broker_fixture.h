// BrokerFixture: a broker for the calling user, in a process or a thread of its own, with one link to talk to it by.
#pragma once

#include <sys/types.h>

#include <thread>

#include "services/broker/broker.h"
#include "services/broker/broker_client.h"

namespace sluice::test {

// crc-like sums under the names sha256 and md5: brokers do not care what a digest computes.
const DigestMaker& sum_digests();

// The calling user, at home in `home`.
UserIdentity own_identity(const std::string& home);

class BrokerFixture {
 public:
  enum class In : uint8_t { process, thread };

  explicit BrokerFixture(UserIdentity identity, LinkPolicy policy = {}, In in = In::process);
  // A link that comes from elsewhere.
  explicit BrokerFixture(UniqueFd link) : client_(std::in_place, std::move(link)) {}
  // Drops the link and waits for the broker's end.
  ~BrokerFixture();

  // Null once the link was taken.
  BrokerClient& client() { return *client_; }
  // Instead of client(): for a service that makes a client itself.
  UniqueFd take_link();
  // Sends and waits for its answer; events that come meanwhile are kept for next_event(). Fails the test when none
  // comes.
  BrokerReceived ask(const BrokerRequest& request);
  // The answer as a T; a default one, and a failed test, where it is something else.
  template <class T>
  T expect(const BrokerRequest& request) {
    return expect_in<T>(ask(request));
  }
  // The fault; count_ where the request did not fail.
  BrokerFault fault(const BrokerRequest& request);
  BrokerReceived next_event();
  void drop_link() { client_.reset(); }
  pid_t pid() const { return pid_; }

  template <class T>
  static T expect_in(const BrokerReceived& received) {
    if (const T* value = std::get_if<T>(&received.answer)) return *value;
    unexpected(received);
    return {};
  }

 private:
  static void unexpected(const BrokerReceived& received);
  std::optional<BrokerReceived> wait();

  UniqueFd link_;
  std::optional<BrokerClient> client_;
  std::deque<BrokerReceived> events_;
  pid_t pid_ = -1;
  std::thread thread_;
};

}  // namespace sluice::test
