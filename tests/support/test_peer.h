// The ends of connections for tests and benchmarks, and a client that trusts every host and asks to be let in by
// "none". Never part of the product.
#pragma once

#include "apps/sluice/bench/load_end.h"

namespace sluice::test {

using bench::all_host_keys;
using bench::EchoChannel;
using bench::fill_pattern;
using bench::kEchoPacket;
using bench::kEchoWindow;
using bench::LocalHostKeys;
using bench::matches_pattern;
using bench::PatternChannel;
using bench::PullChannel;
using bench::PullState;
using ServerOptions = bench::LoadServerOptions;
using TestEnd = bench::LoadEnd;
using TestServer = bench::LoadServer;

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
