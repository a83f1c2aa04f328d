// What sluice bench transfer is to measure, as values, and the rows that come of it.
#pragma once

#include <optional>

#include "apps/sluice/bench/live_view.h"
#include "apps/sluice/bench/run_report.h"
#include "apps/sluice/bench/transfer_clients.h"

namespace sluice::bench {

struct TransferPlan {
  std::vector<Way> ways{Way::put, Way::get};
  std::vector<TransferSuite> suites;
  std::vector<uint64_t> sizes{uint64_t{1} << 28};
  uint64_t files = 1;  // more: a folder of so many of that size
  std::vector<uint64_t> streams{1};
  // Who competes; the ratios are to the reference.
  struct Contestant {
    ClientSpec client;
    ServerSpec server;
    std::string name() const { return client.name + "+" + server.name; }
  };
  std::vector<Contestant> contestants;
  size_t reference = 0;
  uint64_t rounds = 5;
  bool to_null = false;
  std::string folder, remote_folder, user, identity;
  double patience_seconds = 3600;
};

// One point of the matrix but for the contestant.
struct TransferCase {
  Way way;
  const TransferSuite* suite;
  uint64_t size;
  uint64_t files;
  uint64_t streams;
  std::string name() const;
};
std::vector<TransferCase> cases_of(const TransferPlan& plan);

// Runs it all and fills rows, ratios and plots. What went wrong, or nothing: then each sum was right.
ResultOrText<void> measure_transfers(const TransferPlan& plan, RunReport& report, LiveView& view);

// Of rows that are there: ratios to the reference and plots.
void conclude_transfers(const TransferPlan& plan, RunReport& report);

}  // namespace sluice::bench
