// Fuzzes what scp's server reads: a client's command line, then the lines of a sender, and names against patterns.
#include <string_view>

#include "base/check.h"
#include "services/scp/scp_command.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\n'), input.size());
  const auto command = parse_scp_command(input.substr(0, end));
  std::string_view rest = input.substr(std::min(end + 1, input.size()));
  while (!rest.empty()) {
    const size_t n = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, n);
    const ScpLine parsed = parse_scp_line(line);
    if (const auto* entry = std::get_if<ScpEntry>(&parsed)) {
      SLUICE_CHECK(!entry->name.empty() && entry->name.find('/') == std::string::npos && entry->name != "..");
      SLUICE_CHECK(entry->mode <= 07777 && !has_control_characters(printable(entry->name)));
    }
    if (command && line.size() < 200) {
      for (const ShellWord& word : command->paths) {
        SLUICE_CHECK(word.text.size() == word.special.size());
        if (word.text.size() < 200) matches_pattern(line, word, 0, word.text.size());
      }
    }
    rest.remove_prefix(std::min(n + 1, rest.size()));
  }
  return 0;
}
