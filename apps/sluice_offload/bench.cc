// bench: throughput, latency and cycles for device x suite x direction x size x batch.
#include <cstdio>
#include <fstream>

#include "apps/json_writer.h"
#include "apps/sluice_offload/commands.h"
#include "apps/sluice_offload/workload.h"

namespace sluice::offload {
namespace {

// Batches under way at once: one with the device while the next is made ready.
constexpr size_t kBatchesUnderWay = 2;
constexpr size_t kLatencySamples = 20000;

struct Result {
  std::string device;
  std::string suite;
  Direction direction;
  uint32_t size;
  uint32_t batch;
  std::string skipped;
  Workload::Rate rate;
  std::vector<uint64_t> latencies;

  double bytes_per_second() const { return static_cast<double>(rate.records) * size / rate.seconds; }
  double cycles_per_record() const { return rate.cycles / static_cast<double>(std::max<uint64_t>(rate.records, 1)); }
  double microseconds(double share) const {
    const auto at = static_cast<size_t>(share * static_cast<double>(latencies.size() - 1));
    return static_cast<double>(latencies[at]) * 1e-3;
  }
};

std::string_view verb(Direction direction) { return direction == Direction::seal ? "seal" : "open"; }

Result measure(const Options& options, const Device& device, const CipherSuite& suite, Direction direction,
               uint32_t size, uint32_t batch) {
  Result result{device.name, suite.name(), direction, size, batch, "", {}, {}};
  const Support support = device.driver->supports(suite);
  if (!support.yes) {
    result.skipped = support.reason;
    return result;
  }
  if (record_length(suite, size) > support.longest) {
    result.skipped = "such a record is longer than " + std::to_string(support.longest) + " bytes";
    return result;
  }
  auto work = Workload::make(*device.driver, suite, direction, size, kBatchesUnderWay * batch);
  if (!work) {
    result.skipped = work.error();
    return result;
  }
  result.rate = (*work)->run(batch, options.seconds);
  result.latencies = (*work)->latencies(batch, kLatencySamples);
  return result;
}

void print(const Result& r) {
  const std::string name = std::string(verb(r.direction)) + "/" + r.suite + "/" + std::to_string(r.size) + "/" +
                           r.device + "/x" + std::to_string(r.batch);
  if (!r.skipped.empty()) {
    std::printf("%-78s skipped: %s\n", name.c_str(), r.skipped.c_str());
    return;
  }
  std::printf("%-78s %8.3f GB/s %10.0f cycles  us p50 %.1f p90 %.1f p99 %.1f p99.9 %.1f max %.1f%s\n", name.c_str(),
              r.bytes_per_second() * 1e-9, r.cycles_per_record(), r.microseconds(0.5), r.microseconds(0.9),
              r.microseconds(0.99), r.microseconds(0.999), r.microseconds(1), r.rate.failed ? "  FAILED" : "");
}

void write(JsonWriter& json, const Result& r) {
  json.open_object().text("device", r.device).text("suite", r.suite).text("direction", verb(r.direction));
  json.number("size", uint64_t{r.size}).number("batch", uint64_t{r.batch});
  if (!r.skipped.empty()) {
    json.text("skipped", r.skipped).close_object();
    return;
  }
  json.number("bytes_per_second", r.bytes_per_second());
  json.number("records_per_second", static_cast<double>(r.rate.records) / r.rate.seconds);
  json.number("cycles_per_record", r.cycles_per_record()).number("failed", r.rate.failed);
  json.open_object("latency_us");
  json.number("p50", r.microseconds(0.5)).number("p90", r.microseconds(0.9)).number("p99", r.microseconds(0.99));
  json.number("p99_9", r.microseconds(0.999)).number("max", r.microseconds(1)).close_object();
  json.close_object();
}

std::string cpu_model() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

}  // namespace

int run_bench(const Options& options, const DeviceList& list) {
  JsonWriter json;
  json.open_object().text("cpu", cpu_model()).text("dpdk", list.about_dpdk).open_array("rows");
  int status = kFine;
  for (const Device& device : list.devices) {
    if (!device.driver) continue;
    for (const CipherSuite* suite : chosen_suites(options)) {
      for (const Direction direction : options.directions) {
        for (const uint32_t size : options.sizes) {
          for (const uint32_t batch : options.batches) {
            const Result result = measure(options, device, *suite, direction, size, batch);
            if (result.rate.failed > 0) status = kWrongAnswer;
            options.json ? write(json, result) : print(result);
            std::fflush(stdout);
          }
        }
      }
    }
  }
  json.close_array().close_object();
  if (options.json) std::printf("%s\n", json.str().c_str());
  return status;
}

}  // namespace sluice::offload
