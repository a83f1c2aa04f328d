// What a broker costs, in a program of its own: a starter forks off before there is much to inherit, and so must this
// one.
#include <fstream>

#include "tests/support/starter_world.h"

namespace sluice {
namespace {

using test::BrokerFixture;
using test::process_of;
using test::StarterWorld;
using test::user;

// What goes when the process goes. Its share of libraries' pages depends on who else runs: that is told, not judged.
struct Cost {
  uint64_t own_kib = 0, proportional_kib = 0;
};

Cost cost_of(pid_t process) {
  std::ifstream facts("/proc/" + std::to_string(process) + "/smaps_rollup");
  Cost cost;
  for (std::string line; std::getline(facts, line);) {
    if (line.starts_with("Pss:")) cost.proportional_kib = std::stoull(line.substr(4));
    if (line.starts_with("Private_")) cost.own_kib += std::stoull(line.substr(line.find(':') + 1));
  }
  return cost;
}

TEST(BrokerMemory, is_little_for_each_user) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become twenty users";
  StarterWorld world({{.linger_ms = 100000}, nullptr});
  constexpr uint32_t kBrokers = 20;
  std::vector<std::unique_ptr<BrokerFixture>> brokers;
  Cost sum;
  std::vector<pid_t> processes;
  for (uint32_t i = 0; i < kBrokers; ++i) {
    brokers.push_back(world.broker(user(61001 + i, "user", "/")));
    const uint32_t listing = brokers.back()->expect<DirectoryOpened>(OpenDirectory{"/etc"}).handle;
    brokers.back()->expect<Entries>(ReadDirectory{listing, 1000});
    brokers.back()->expect<Done>(CloseHandle{listing});
    processes.push_back(process_of(*brokers.back()));
  }
  // What they used is given back when they have been quiet for a while, on a busy machine later.
  for (int i = 0; i < 20 && (sum.own_kib == 0 || sum.own_kib / kBrokers >= 200); ++i) {
    ::usleep(1000000);
    sum = {};
    for (const pid_t process : processes) {
      const Cost cost = cost_of(process);
      sum.own_kib += cost.own_kib;
      sum.proportional_kib += cost.proportional_kib;
    }
  }
  const auto own = static_cast<unsigned long long>(sum.own_kib / kBrokers);
  const auto proportional = static_cast<unsigned long long>(sum.proportional_kib / kBrokers);
  RecordProperty("own_kib_each", std::to_string(own));
  RecordProperty("proportional_kib_each", std::to_string(proportional));
  std::printf("%llu KiB of its own each, %llu KiB with its share of libraries\n", own, proportional);
  EXPECT_LT(own, 200u);
}

}  // namespace
}  // namespace sluice
