// The server of a load as a process of its own, so that its memory and its CPU are told apart from the clients'.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "apps/sluice/bench/bench_server.h"

namespace sluice::bench {

// What a server does by itself.
struct LoadServing {
  uint64_t rekey_mean_ms = 0;  // at random moments, so far apart on average
  uint64_t rekey_ms = 0;       // by the age of keys
  uint64_t rekey_bytes = 0;    // by what they were used for
  uint64_t workers = 1;
  uint16_t port = 0;  // 0: of the kernel's choice
  std::string address = "127.0.0.1";
};

// Serves until it is told to end or the process that started it is gone. Its first line is its port and that of the
// same server without rekeys; at SIGUSR1 and at its end it says how often keys were renewed. The exit code.
int serve_load(const LoadServing& serving, double seconds);

class LoadServerProcess {
 public:
  static ResultOrText<std::unique_ptr<LoadServerProcess>> start(const LoadServing& serving);
  ~LoadServerProcess();

  // With rekeys, and without.
  const Endpoint& endpoint() const { return endpoint_; }
  const Endpoint& quiet_endpoint() const { return quiet_; }
  pid_t process() const { return child_->process(); }
  // How often keys were renewed so far.
  std::optional<uint64_t> rekeys() const;

 private:
  LoadServerProcess() = default;
  std::unique_ptr<Child> child_;
  Endpoint endpoint_, quiet_;
};

}  // namespace sluice::bench
