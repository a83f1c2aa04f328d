// What sluice bench rekey is to do, and what a phase of it gave.
#pragma once

#include "apps/sluice/bench/live_view.h"
#include "apps/sluice/bench/load_crowd.h"
#include "apps/sluice/bench/load_server_process.h"
#include "apps/sluice/bench/run_report.h"

namespace sluice::bench {

enum class RekeyMode : uint8_t { random, time, volume };

struct RekeyLimitsAsked {
  // Negative: not asked for.
  double least_rekeys = -1, most_pause_p99 = -1, most_pause = -1, most_neighbour_p99 = -1, least_rate = -1,
         least_share = -1, most_server_kib = -1;
};

struct RekeyPlan {
  uint64_t sessions = 100;
  double seconds = 10, calm_seconds = 3;
  RekeyMode mode = RekeyMode::random;
  double interval = 1;          // seconds, mean or exact
  uint64_t volume = 16u << 20;  // bytes
  bool by_client = true, by_server = true;
  std::vector<std::string> kexes;
  std::vector<std::pair<std::string, std::string>> suites;
  bool mixed_kexes = false, mixed_suites = false;  // all that we have: what a server lacks is left out
  std::string server = "self";  // or sluiced, sshd, HOST:PORT
  std::string client = "self";  // or ssh, ssh=PATH
  std::string folder;
  ForeignAccess access;
  uint64_t neighbours = 2;
  uint64_t workers = 1;
  uint64_t window = 64u << 10;
  uint64_t rounds = 1;
  double login_seconds = 600;
  RekeyLimitsAsked asked;
};

// What data does for a while: with rekeys, or without.
struct PhaseOutcome {
  double seconds = 0;
  double bytes = 0;
  uint64_t rekeys = 0;
  std::vector<Point> pauses;
  std::vector<double> neighbour_delays;
  double client_cpu = 0, server_cpu = 0;
  double client_bytes = 0, server_bytes = 0;  // memory
  size_t errors = 0;
  std::string trouble;
  size_t turned_away = 0;            // at their login, for load; they came again
  std::vector<std::string> lacking;  // of a mix, by the server
};

ResultOrText<PhaseOutcome> run_phase(RekeyPlan plan, bool rekeys, LiveView& view);
// Fills rows, plots and verdicts from all rounds; what could not be measured is a failure in it.
void measure_rekeys(const RekeyPlan& plan, RunReport& report, LiveView& view);

}  // namespace sluice::bench
