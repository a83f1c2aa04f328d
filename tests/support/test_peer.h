// Both ends of a connection for tests and benchmarks: the real transport, worker and control, a test channel above, and
// an authentication that trusts everybody who asks for "none". Never part of the product.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "control/control_loop.h"
#include "control/keys/private_key.h"
#include "dataplane/worker.h"
#include "drivers/driver_registry.h"
#include "tests/support/echo_channel.h"

namespace sluice::test {

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

// Workers and a control thread, with a porch unless a driver is named that nobody else understands.
class TestEnd {
 public:
  explicit TestEnd(const std::string& driver = "", size_t workers = 1, const WorkPoolLimits& pool = {});
  ~TestEnd();
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

struct ServerOptions {
  TransportConfig config = default_transport_config(Role::server);
  RekeyLimits limits;
  // Each session also rekeys at random moments, so far apart on average; 0: never.
  uint64_t rekey_mean_ms = 0;
};

// Listens on a loopback port of the kernel's choice (or `port`) and serves test channels.
class TestServer {
 public:
  TestServer(TestEnd& end, ServerOptions options, uint16_t port = 0);
  ~TestServer();
  uint16_t port() const { return port_; }
  const LocalHostKeys& host_keys() const { return host_keys_; }
  const std::atomic<uint64_t>& rekeys() const { return rekeys_; }
  const std::atomic<uint64_t>& accepted() const { return accepted_; }
  const std::atomic<uint64_t>& ended() const { return ended_; }

 private:
  void accept_all();

  TestEnd& end_;
  ServerOptions options_;
  LocalHostKeys host_keys_;
  int listener_;
  uint16_t port_ = 0;
  std::atomic<uint64_t> rekeys_{0};
  std::atomic<uint64_t> accepted_{0};
  std::atomic<uint64_t> ended_{0};
};

struct ClientOptions {
  TransportConfig config = default_transport_config(Role::client);
  RekeyLimits limits;
  std::string command = "cat";
  uint64_t to_send = 0;
  uint64_t rekey_mean_ms = 0;
  uint32_t window = kEchoWindow;
  // On the worker's thread, with the bytes received so far.
  std::function<void(uint64_t)> on_progress = {};
  // Instead of a channel that pulls what `command` gives.
  std::function<std::unique_ptr<ConnectionSink>()> make_sink = {};
};

struct ClientResult {
  std::atomic<uint64_t> received{0};
  std::atomic<bool> wrong{false};
  std::atomic<bool> channel_closed{false};
  std::atomic<bool> ended{false};
  std::atomic<uint64_t> rekeys{0};
  // Written before `ended` or `keyed` is set.
  std::string disconnect;
  std::atomic<bool> keyed{false};
};

// Adds a client connection to an end that is not started yet, or on its control thread.
std::shared_ptr<ClientResult> connect_client(TestEnd& end, uint16_t port, const ClientOptions& options);

}  // namespace sluice::test
