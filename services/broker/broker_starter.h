// BrokerStarter: the monitor's hold on the starter: links ordered, links delivered, without waiting.
#pragma once

#include <sys/types.h>

#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>

#include "base/result.h"
#include "services/broker/link_policy.h"
#include "services/broker/starter_process.h"

namespace sluice {

// Orders that were not answered: what the starter's socket can hold of answers.
inline constexpr size_t kMaxOrdersOut = 64;
// Orders that wait for their turn; more logins than these at one time are refused.
inline constexpr size_t kMaxOrdersQueued = 4096;

class BrokerStarter {
 public:
  // The network process' end of a new link, or why there is none.
  using Then = std::function<void(ResultOrText<UniqueFd>)>;

  // Forks. Before any key is read, any thread started and any right given up. Null: the kernel refused.
  static std::unique_ptr<BrokerStarter> fork_off(const StarterSettings& settings, const DigestMaker& digests);
  // The other end, wherever a starter runs.
  explicit BrokerStarter(UniqueFd orders, pid_t process = -1) : orders_(std::move(orders)), process_(process) {}
  // Ends the starter, and brokers as soon as their links are gone.
  ~BrokerStarter();
  BrokerStarter(const BrokerStarter&) = delete;
  BrokerStarter& operator=(const BrokerStarter&) = delete;

  // source: the client's address.
  void attach(const UserIdentity& identity, const LinkPolicy& policy, Then then, const std::string& source = {});
  // Readable: call receive().
  int descriptor() const { return orders_.get(); }
  void receive();
  bool alive() const { return !ended_; }
  // Starters that died and were followed by another.
  uint64_t restarts() const { return restarts_; }
  // It stays when a starter is followed by another. -1: there is none of ours.
  pid_t process() const { return process_; }

 private:
  struct Order {
    uint32_t number;
    std::vector<uint8_t> packet;
  };
  void flush();
  void end();
  void fail_sent(const std::string& why);

  UniqueFd orders_;
  pid_t process_;
  uint32_t last_number_ = 0;
  std::deque<Order> queued_;
  std::unordered_map<uint32_t, Then> open_;
  bool ended_ = false;
  uint64_t restarts_ = 0;
};

}  // namespace sluice
