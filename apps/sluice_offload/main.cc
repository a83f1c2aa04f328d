// sluice-offload: what crypto devices are there, how fast they are, and whether they answer as OpenSSL does.
#include <cstdio>

#include "apps/sluice_offload/commands.h"
#include "base/log.h"

int main(int argc, char** argv) {
  using namespace sluice;
  using namespace sluice::offload;
  const auto options = parse_options(argc, argv);
  if (!options) {
    std::fprintf(stderr, "sluice-offload: %s\n%s", options.error().c_str(), usage().c_str());
    return kUsage;
  }
  if (options->command == Command::help) {
    std::printf("%s", usage().c_str());
    return kFine;
  }
  if (options->command == Command::engine_conf) return run_engine_conf(*options);
  set_log_level(LogLevel::warning);
  const auto list = find_devices(*options);
  if (!list) {
    std::fprintf(stderr, "sluice-offload: %s\n", list.error().c_str());
    return kNotAvailable;
  }
  switch (options->command) {
    case Command::list: return run_list(*options, *list);
    case Command::bench: return run_bench(*options, *list);
    case Command::verify: return run_verify(*options, *list);
    case Command::engine_conf:
    case Command::help: break;
  }
  return kUsage;
}
