// Turning a session and a clock together.
#include "tests/support/sim_world.h"

#include "base/check.h"
#include "base/log.h"
#include "drivers/driver_registry.h"

namespace sluice::test {

SimWorld::SimWorld(const char* suite_name, const SimWorldOptions& options) : suite(find_suite(suite_name)) {
  auto device = parse_sim_options(options.device);
  SLUICE_CHECK(device.has_value());
  device->virtual_clock = &clock;
  device->faults = options.faults;
  OffloadOptions offload;
  offload.policy = options.policy;
  offload.pays_from_bytes = options.pays_from_bytes;
  offload.verify_one_in = options.verify_one_in;
  offload.verify_first = options.verify_first;
  offload.clock = &clock;
  auto sim = make_sim_driver(*device);
  device_ = &sim->device();
  std::vector<std::unique_ptr<CryptoDriver>> devices;
  devices.push_back(std::move(sim));
  auto set = make_driver_set_with(std::move(devices), offload);
  SLUICE_CHECK(set.has_value());
  pair = std::make_unique<RecordPair>(*suite, std::move(*set));
}

void SimWorld::send(size_t n, size_t size) {
  for (size_t i = 0; i < n; ++i) {
    sent.push_back(data_payload(size, sent.size() + 1));
    while (!pair->send(sent.back())) turn();
  }
}

void SimWorld::turn(uint64_t ns) {
  pair->turn();
  clock.advance(ns);
}

bool SimWorld::settle(uint64_t most_ns) {
  const uint64_t until = clock.now_ns() + most_ns;
  while (pair->received().size() < sent.size() && !pair->receive_path.error() && clock.now_ns() < until) {
    turn(20'000);
  }
  return pair->received() == sent;
}

uint64_t SimWorld::by_software() const {
  uint64_t sum = 0;
  for (size_t i = 1; i < pair->drivers->size(); ++i) sum += pair->dispatch.taken_by(i);
  return sum;
}

LogCapture::LogCapture() {
  set_log_sink([this](LogLevel, std::string_view line) { lines_.emplace_back(line); });
}

LogCapture::~LogCapture() { set_log_sink(nullptr); }

size_t LogCapture::count(std::string_view part) const {
  size_t n = 0;
  for (const std::string& line : lines_) n += line.find(part) != std::string::npos;
  return n;
}

}  // namespace sluice::test
