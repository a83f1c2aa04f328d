// The command line of sluice-offload.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "crypto_offload/crypto_op.h"
#include "drivers/dpdk_settings.h"

namespace sluice::offload {

enum class Command : uint8_t { list, bench, verify, engine_conf, help };

struct Options {
  Command command = Command::help;
  bool json = false;
  bool pci = false;
  bool as_engine = false;            // engine-conf: an ENGINE, not a provider
  std::vector<std::string> devices;  // --device: names of the driver registry; empty: all that are there
  DpdkSettings dpdk;                 // --vdev, --eal, --memory, --handoff
  // bench and verify
  std::vector<std::string> suites;  // empty: all
  std::vector<uint32_t> sizes{1024, 4096, 32768};
  std::vector<uint32_t> batches{32};
  std::vector<Direction> directions{Direction::seal, Direction::open};
  double seconds = 0.5;

  // Whether anything of DPDK was asked for.
  bool wants_dpdk() const;
};

ResultOrText<Options> parse_options(int argc, char** argv);
std::string usage();

}  // namespace sluice::offload
