// ManagementHost: what the shell of operators needs of the server that it manages. One thread, the monitor's.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "control/config/server_config.h"
#include "control/keys/host_key_store.h"
#include "control/management/broker_facts.h"
#include "control/management/enable_guard.h"
#include "control/management/network_facts.h"

namespace sluice {

class ManagementHost {
 public:
  using Answered = std::function<void(ResultOrText<std::vector<uint8_t>>)>;
  virtual ~ManagementHost() = default;

  virtual const ServerConfig& running() const = 0;
  virtual const Machine& machine() const = 0;
  // Of the network process: "facts", "clear ID", "rekey ID", "rekey all", "debug WISHES" (debug_wish.h). Answered once,
  // at once or later.
  virtual void ask(const std::string& question, Answered answered) = 0;
  // New connections get it, those that are there stay; done once all processes work by it, with lines for the operator.
  // What cannot be had leaves everything as it was.
  virtual void put_into_effect(const ServerConfig& config, std::function<void(ResultOrText<std::string>)> done) = 0;
  // The file that the next start reads: what is in it, and its replacement. The answer names it.
  virtual std::string saved() const = 0;
  virtual ResultOrText<std::string> save(const ServerConfig& config) = 0;
  virtual ResultOrText<HostKeyStore> host_keys() const = 0;
  // Pairs were made or removed: serves what is there now.
  virtual void host_keys_changed(std::function<void()> done) = 0;
  // Away from this thread; `then` back on it. False: too much is being done.
  virtual bool run_slowly(std::function<void()> work, std::function<void()> then) = 0;
  // Of the monitor's own process.
  virtual std::vector<EngineFacts> engines() const { return {}; }
  virtual uint64_t started_ms() const = 0;
  // What counts brokers, to be called away from this thread.
  virtual std::function<std::vector<BrokerFacts>()> broker_census() const = 0;
  EnableGuard& enable_guard() { return enable_guard_; }

 private:
  EnableGuard enable_guard_;
};

}  // namespace sluice
