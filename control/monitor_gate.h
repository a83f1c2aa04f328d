// The network process' way to the monitor: one link for all connections, requests out, answers to whom they concern.
//
// One thread, control's. When the monitor is gone the gate says so once; without it there is no server.
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>

#include "control/control_loop.h"
#include "control/monitor/monitor_client.h"
#include "control/monitor/monitor_link.h"

namespace sluice {

class MonitorGate {
 public:
  // What a connection is told.
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void on_signed(std::vector<uint8_t> signature) = 0;
    // In the order asked; an empty one could not be made.
    virtual void on_proved(const std::vector<std::vector<uint8_t>>& signatures) = 0;
    virtual void on_judged(AuthVerdict verdict) = 0;
    virtual void on_condemned(std::string_view reason) = 0;
  };

  // `descriptor` is our end of MonitorLink::make_pair().
  MonitorGate(ControlLoop& loop, int descriptor, std::function<void()> on_lost);
  ~MonitorGate();

  using HostKeyList = std::shared_ptr<const std::vector<OfferedHostKey>>;
  // Empty until the monitor has answered; connections wait for it. Each keeps the list that it began with.
  const HostKeyList& host_keys() const { return host_keys_; }
  // That a login begins with; told with the host keys.
  MethodSet first_methods() const { return first_methods_; }
  // The monitor's answer to the first asking, and to each ask_host_keys().
  void when_ready(std::function<void()> then) { ready_ = std::move(then); }
  void ask_host_keys();
  // Once no answer to that is under way; at once where none is.
  void when_listed(std::function<void()> then);

  uint32_t open(const LoginSource& source, Listener& listener);
  void close(uint32_t connection);
  void sign(uint32_t connection, const SignRequest& request);
  void prove(uint32_t connection, const std::vector<ProofKey>& keys);
  void ask(uint32_t connection, const AuthQuestion& question);
  // A link to the broker of whoever logged in, for BrokerClient; or why there is none. One at a time for a connection,
  // and kMaxBrokerLinks in its life. Nothing is called any more once the connection was closed.
  void start_broker(uint32_t connection, BrokerDone then);

 private:
  void take_packets();
  void take_event(MonitorEvent&& event);
  void flush();
  void flush_soon();
  void lose();
  void settle_broker(uint32_t connection, ResultOrText<UniqueFd> link);

  ControlLoop& loop_;
  MonitorLink link_;
  MonitorClient client_;
  std::function<void()> on_lost_;
  std::function<void()> ready_;
  MethodSet first_methods_;
  HostKeyList host_keys_ = std::make_shared<const std::vector<OfferedHostKey>>();
  std::unordered_map<uint32_t, Listener*> listeners_;
  std::unordered_map<uint32_t, BrokerDone> brokers_;
  bool lost_ = false;
  bool flush_due_ = false;
  unsigned lists_awaited_ = 0;
  std::vector<std::function<void()>> after_lists_;
};

}  // namespace sluice
