// Fuzz target: the configuration's parser; what it takes is printed as lines that make the same.
#include "base/check.h"
#include "control/config/command_table.h"
#include "control/config/config_parser.h"
#include "control/config/running_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice;
  constexpr Machine kMachine{4, uint64_t{8} << 30, true};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const ConfigSource source{"fuzz", text};
  const ParsedConfig parsed = parse_config({&source, 1}, kMachine);
  for (const ConfigMessage& error : parsed.errors) SLUICE_CHECK(!error.text().empty());
  // What was refused has left no trace: the rest is a configuration in any case.
  const std::string printed = running_config(parsed.config, kMachine);
  const ConfigSource second{"printed", printed};
  const ParsedConfig again = parse_config({&second, 1}, kMachine);
  SLUICE_CHECK(again.ok());
  SLUICE_CHECK(again.config == parsed.config);
  for (size_t mode = 0; mode < kModes; ++mode)
    config_grammar().complete(static_cast<Mode>(mode), text.substr(0, text.find('\n')), Platform::sluice);
  // Without secrets it need not parse, but what is hidden is not in it.
  running_config(parsed.config, kMachine, {.secrets = false});
  return 0;
}
