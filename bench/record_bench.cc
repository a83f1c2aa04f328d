// record_bench: what the record layer costs beside the bare libraries.
//
//   seal/SUITE/SIZE/DRIVER      messages of SIZE bytes to wire bytes, 32 records a batch, by the data plane's send path
//   open/SUITE/SIZE/DRIVER      and back
//   .../xN                      with N records at hand instead of 32
//   raw/SUITE/SIZE/LIBRARY      the bare library over the same bytes
//
// SLUICE_BENCH_DRIVERS names further drivers, separated by semicolons: cryptodev:crypto_aesni_mb. A plain run starts no
// DPDK. Suites that such a driver lacks have no rows.
//
// DRIVER `auto` is the choice that sluice makes; its label names the driver that ran. bytes_per_second is payload.
// Fresh ciphertext for the open rows is made while the clock stands.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/check.h"
#include "bench/raw_library.h"
#include "apps/sluice/bench/record_loop.h"

namespace sluice::bench {
namespace {

constexpr std::array<uint32_t, 7> kSizes{64, 512, 1400, 4096, 16384, 32768, 64512};
constexpr std::array<size_t, 4> kAtHand{1, 4, 8, 16};
constexpr uint32_t kAtHandSize = 32768;
constexpr size_t kBatch = 32;

void count_bytes(benchmark::State& state, size_t records, uint32_t payload) {
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(records * payload));
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(records));
}

void run_path(benchmark::State& state, const CipherSuite& suite, Direction direction, uint32_t payload,
              const std::string& driver, size_t records) {
  RecordLoop loop(suite, payload, records, driver);
  if (direction == Direction::seal) {
    for (auto _ : state) loop.seal();
    count_bytes(state, records, payload);
  } else {
    for (auto _ : state) {
      state.PauseTiming();
      loop.prepare_open();
      state.ResumeTiming();
      for (size_t round = 0; round < loop.rounds(); ++round) loop.open();
    }
    count_bytes(state, records * loop.rounds(), payload);
  }
  state.SetLabel(loop.ran(direction));
}

void run_raw(benchmark::State& state, const CipherSuite& suite, uint32_t payload, const std::string& library) {
  const auto raw = library == "openssl" ? raw_openssl(suite) : raw_ipsec_mb(suite);
  const uint32_t length = record_length(suite, payload);
  const size_t stride = suite.headroom + length + suite.tag_bytes;
  MirroredMemory memory(kBatch * stride);
  for (auto _ : state) raw->seal(memory.data() + suite.headroom, stride, kBatch, length);
  count_bytes(state, kBatch, payload);
}

struct BenchDriver {
  std::string name;
  std::unique_ptr<CryptoDriver> probe;  // answers supports(); null: every suite
};

void add_asked_for(std::vector<BenchDriver>& drivers) {
  const char* variable = std::getenv("SLUICE_BENCH_DRIVERS");
  std::string_view names = variable ? variable : "";
  while (!names.empty()) {
    const size_t end = std::min(names.find(';'), names.size());
    const std::string name(names.substr(0, end));
    names.remove_prefix(std::min(end + 1, names.size()));
    auto driver = make_driver(name);
    if (!driver) {
      std::fprintf(stderr, "record_bench: %s: %s\n", name.c_str(), driver.error().c_str());
      std::exit(1);
    }
    drivers.push_back({name, std::move(*driver)});
  }
}

void register_suite(const CipherSuite& suite, const std::vector<BenchDriver>& drivers) {
  const auto row = [](const std::string& name, auto&& function) {
    benchmark::RegisterBenchmark(name.c_str(), function);
  };
  for (const uint32_t size : kSizes) {
    const std::string tail = suite.name() + "/" + std::to_string(size) + "/";
    for (const char* library : {"openssl", "ipsec_mb"}) {
      row("raw/" + tail + library, [&suite, size, library](benchmark::State& s) { run_raw(s, suite, size, library); });
    }
    for (const auto& [verb, direction] : {std::pair{"seal/", Direction::seal}, std::pair{"open/", Direction::open}}) {
      for (const BenchDriver& asked : drivers) {
        if (asked.probe && !asked.probe->supports(suite).yes) continue;
        const std::string& driver = asked.name;
        const auto at = [&suite, direction = direction, size, driver](size_t records) {
          return [&suite, direction, size, driver, records](benchmark::State& s) {
            run_path(s, suite, direction, size, driver, records);
          };
        };
        row(verb + tail + driver, at(kBatch));
        if (size != kAtHandSize || driver == "null") continue;
        for (const size_t n : kAtHand) row(verb + tail + driver + "/x" + std::to_string(n), at(n));
      }
    }
  }
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  using namespace sluice;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  std::vector<bench::BenchDriver> drivers;
  drivers.push_back({"auto", nullptr});
  drivers.push_back({"null", nullptr});
  for (const DriverNote& note : driver_notes()) {
    if (note.present) drivers.push_back({note.name, nullptr});
    benchmark::AddCustomContext("driver " + note.name, note.present ? "present" : note.reason);
  }
  bench::add_asked_for(drivers);
  benchmark::AddCustomContext("commit", SLUICE_COMMIT);
  for (const CipherSuite& suite : cipher_suites()) {
    if (suite.negotiable) bench::register_suite(suite, drivers);
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
