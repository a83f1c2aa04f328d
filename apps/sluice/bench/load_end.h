// One end of many connections: the real transport, workers and control; and a server on it whose sessions run nothing
// but channels of a pattern.
//
// The server lets everybody in who asks for "none", and serves nobody anything but bytes that he sent or could make
// himself: for loads on loopback and in laboratories, and for tests.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "apps/sluice/bench/pattern_channel.h"
#include "control/control_loop.h"
#include "control/keys/private_key.h"
#include "dataplane/worker.h"
#include "drivers/driver_registry.h"

namespace sluice::bench {

// Host keys in this process, signed with on the pool.
class LocalHostKeys final : public HostKeySigner {
 public:
  explicit LocalHostKeys(std::vector<PrivateKey> keys) : keys_(std::move(keys)) {}
  NameList algorithms() const override;
  // SHA256:..., of each key.
  std::vector<std::string> fingerprints() const;
  std::vector<uint8_t> public_blob(std::string_view algorithm) const override;
  void sign(std::string_view kex, std::string_view algorithm, Bytes exchange_hash, Signed then) override;

 private:
  const PrivateKey* key_for(std::string_view algorithm) const;
  std::vector<PrivateKey> keys_;
};

std::vector<PrivateKey> all_host_keys();

// Of a load: thousands of sessions of one address may all wait for their key exchange at once, and being made to wait
// is what is measured, not being sent away. Each has one at a time, so their number is the bound.
inline WorkPoolLimits pool_of_load(size_t threads = default_work_threads()) {
  constexpr size_t kMost = 65536;
  return {.threads = threads, .strangers = kMost, .per_source = kMost};
}

// Workers and a control thread, with a porch unless a driver is named that nobody else understands.
class LoadEnd {
 public:
  explicit LoadEnd(const std::string& driver = "", size_t workers = 1, const WorkPoolLimits& pool = {});
  ~LoadEnd();
  // Runs both threads; control's calls must come before or through loop().watch callbacks.
  void start();
  void stop();
  ControlLoop& loop() { return loop_; }
  Worker& worker(size_t which = 0) { return *workers_[which]; }
  WorkPool& pool() { return pool_; }

 private:
  std::vector<std::unique_ptr<DriverSet>> drivers_;  // each worker's own
  WorkPool pool_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<DriverSet> porch_drivers_;
  std::unique_ptr<Worker> porch_;
  ControlLoop loop_;
  std::vector<std::thread> threads_;
};

struct LoadServerOptions {
  TransportConfig config = default_transport_config(Role::server);
  RekeyLimits limits;
  // Each session also rekeys at random moments, so far apart on average; 0: never.
  uint64_t rekey_mean_ms = 0;
  // Of IPv4.
  std::string address = "127.0.0.1";
  // On control's thread, after each key exchange of each session.
  std::function<void(const TransportMachine&)> on_exchange = {};
};

// Listens on a port of the kernel's choice (or `port`) and serves channels of a pattern.
class LoadServer {
 public:
  LoadServer(LoadEnd& end, LoadServerOptions options, uint16_t port = 0);
  ~LoadServer();
  uint16_t port() const { return port_; }
  const LocalHostKeys& host_keys() const { return host_keys_; }
  const std::atomic<uint64_t>& rekeys() const { return rekeys_; }
  const std::atomic<uint64_t>& accepted() const { return accepted_; }
  const std::atomic<uint64_t>& ended() const { return ended_; }
  // What connections from now on are offered. On control's thread once the end is started.
  void set_offer(const TransportConfig& config, const RekeyLimits& limits);

 private:
  void accept_all();

  LoadEnd& end_;
  LoadServerOptions options_;
  LocalHostKeys host_keys_;
  int listener_;
  uint16_t port_ = 0;
  std::atomic<uint64_t> rekeys_{0};
  std::atomic<uint64_t> accepted_{0};
  std::atomic<uint64_t> ended_{0};
};

// Rekeys the session at random moments, so far apart on average, as long as it lives; 0: never.
void rekey_at_random(ControlLoop& loop, const std::shared_ptr<SessionId>& session, uint64_t mean_ms);

}  // namespace sluice::bench
