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

uint64_t proportional_kib(pid_t process) {
  std::ifstream facts("/proc/" + std::to_string(process) + "/smaps_rollup");
  for (std::string line; std::getline(facts, line);)
    if (line.starts_with("Pss:")) return std::stoull(line.substr(4));
  return 0;
}

TEST(BrokerMemory, is_little_for_each_user) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become twenty users";
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's memory is not ours";
#endif
  StarterWorld world({{.linger_ms = 100000}, nullptr});
  constexpr uint32_t kBrokers = 20;
  std::vector<std::unique_ptr<BrokerFixture>> brokers;
  uint64_t sum = 0;
  std::vector<pid_t> processes;
  for (uint32_t i = 0; i < kBrokers; ++i) {
    brokers.push_back(world.broker(user(61001 + i, "user", "/")));
    const uint32_t listing = brokers.back()->expect<DirectoryOpened>(OpenDirectory{"/etc"}).handle;
    brokers.back()->expect<Entries>(ReadDirectory{listing, 1000});
    brokers.back()->expect<Done>(CloseHandle{listing});
    processes.push_back(process_of(*brokers.back()));
  }
  // What they used is given back when they have been quiet for a while, on a busy machine later.
  for (int i = 0; i < 20 && (sum == 0 || sum / kBrokers >= 200); ++i) {
    ::usleep(1000000);
    sum = 0;
    for (const pid_t process : processes) sum += proportional_kib(process);
  }
  RecordProperty("kib_each", std::to_string(sum / kBrokers));
  std::printf("%llu KiB each\n", static_cast<unsigned long long>(sum / kBrokers));
  EXPECT_LT(sum / kBrokers, 200u);
}

}  // namespace
}  // namespace sluice
