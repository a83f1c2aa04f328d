// A connection's way to its user's broker: one link for all its services, asked for at first need.
//
// Answers come back on the worker, in on_ready(); what is asked while there is no link or no room waits here, bounded.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "dataplane/channel.h"
#include "services/broker/broker_client.h"

namespace sluice {

// What waits for room. Services stop listening to their clients long before; beyond it a request fails.
inline constexpr size_t kMaxWaitingRequests = 4096;

class BrokerSession;

// Who asks: what it asked is forgotten when it is gone, and handles that come later are given back. `late` gets the
// descriptors that came with them, for closing a file may mean waiting for it; without it they are closed at once.
class BrokerCaller {
 public:
  using Late = std::function<void(std::vector<UniqueFd>&&)>;

  explicit BrokerCaller(BrokerSession& broker, Late late = {}) : broker_(broker), late_(std::move(late)) {}
  ~BrokerCaller();
  BrokerCaller(const BrokerCaller&) = delete;
  BrokerCaller& operator=(const BrokerCaller&) = delete;

 private:
  friend class BrokerSession;
  BrokerSession& broker_;
  Late late_;
};

class BrokerSession final : public Watcher {
 public:
  using Then = std::function<void(BrokerReceived&&)>;

  // For descriptors that a broker should not have passed; before the first session. Else they are closed at once.
  static void discard_with(BrokerCaller::Late discard);

  explicit BrokerSession(ChannelHost& host) : host_(host) {}
  ~BrokerSession() override;

  // `then` is called once, later, never inside this call, unless the caller is gone by then.
  void ask(const BrokerCaller& caller, BrokerRequest request, Then then);
  // Nobody waits for the answer.
  void tell(BrokerRequest request);
  // The end of a program, asked for inside the `then` of its Spawned; told once. Null: the broker ended first, nobody
  // will ever know.
  void await_exit(const BrokerCaller& caller, uint32_t child, std::function<void(const ChildExited*)> then);
  void forget(const BrokerCaller& caller);
  // What failed at once is told in the next on_turn(): whoever asks outside a turn's beginning asks for one.
  bool wants_turn() const { return !unserved_.empty() || (client_ && client_->answers_itself()); }
  // Requests that were not answered yet.
  size_t outstanding() const { return pending_.size() + waiting_.size(); }

  // Each turn of the connection, before its services'.
  void on_turn();
  void take_link(UniqueFd link);
  void take_refusal(std::string_view why);
  void on_ready(uint32_t events) override;
  bool waits_for_room() const override { return waits_for_room_; }

 private:
  struct Waiting {
    const BrokerCaller* caller;
    BrokerRequest request;
    Then then;
  };
  struct Pending {
    const BrokerCaller* caller;
    Then then;
    BrokerCaller::Late late{};
  };
  struct Exit {
    const BrokerCaller* caller;
    std::function<void(const ChildExited*)> then;
  };

  void send_waiting();
  void flush();
  void take(BrokerReceived&& received);
  void take_event(const BrokerAnswer& event);
  void give_back(BrokerReceived& received, const BrokerCaller::Late& late);

  ChannelHost& host_;
  std::optional<BrokerClient> client_;
  std::deque<Waiting> waiting_;
  std::deque<Waiting> unserved_;  // to be answered with a failure in the next turn
  std::unordered_map<uint32_t, Pending> pending_;
  std::unordered_map<uint32_t, Exit> exits_;
  std::string refusal_;
  bool asked_ = false;
  bool waits_for_room_ = false;  // as the link is watched
};

}  // namespace sluice
