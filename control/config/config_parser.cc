// Sources one after the other, and messages for people.
#include "control/config/config_parser.h"

#include <algorithm>

#include "control/config/config_reader.h"

namespace sluice {
namespace {

constexpr size_t kMaxShownLine = 160;

ParsedConfig read_all(std::span<const ConfigSource> sources, const ServerConfig& defaults, Platform platform) {
  ConfigReader reader(defaults, defaults, platform);
  for (const ConfigSource& source : sources) reader.read(source);
  return reader.finish();
}

// What a terminal would obey must not reach it from a file.
std::string printable(std::string_view text) {
  std::string shown(text);
  for (char& c : shown)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = c == '\t' ? ' ' : '?';
  return shown;
}

}  // namespace

std::string ConfigMessage::head(std::string_view said) const {
  std::string out = source;
  if (line > 0) out.append(":").append(std::to_string(line)).append(":").append(std::to_string(column + 1));
  out.append(": ").append(said);
  for (size_t i = 0; i < expected.size(); ++i) out.append(i == 0 ? "; expected " : ", ").append(expected[i]);
  return out;
}

std::string ConfigMessage::for_log() const { return head(std::string_view(what).substr(0, what.find(": \""))); }

std::string ConfigMessage::text() const {
  std::string out = head(what);
  if (shown.empty()) return out;
  // A long line is shown around the word.
  const size_t from = column > kMaxShownLine / 2 ? std::min(column - kMaxShownLine / 2, shown.size()) : 0;
  const std::string part = printable(std::string_view(shown).substr(from, kMaxShownLine));
  out.append("\n  ").append(part).append("\n  ").append(std::string(column - std::min(column, from), ' '));
  out.append(std::string(std::clamp<size_t>(length, 1, kMaxShownLine / 2), '^'));
  return out;
}

ParsedConfig parse_config(std::span<const ConfigSource> sources, const Machine& machine) {
  // The platform decides about defaults and ranges, and may be named anywhere.
  const ServerConfig own = default_config(Platform::sluice, machine);
  ParsedConfig parsed = read_all(sources, own, Platform::sluice);
  const Platform platform = parsed.config.platform;
  if (platform != Platform::sluice) {
    const ServerConfig defaults = default_config(platform, machine);
    parsed = read_all(sources, defaults, platform);
    parsed.config.platform = platform;
  }
  for (std::string& doubt : doubts_about(parsed.config))
    parsed.warnings.push_back({"configuration", 0, 0, 0, std::move(doubt), {}, {}});
  return parsed;
}

}  // namespace sluice
