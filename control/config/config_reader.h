// ConfigReader: lines of configuration, one after the other, with the modes that they open; what they make of a
// configuration, and what is wrong with them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control/config/command_grammar.h"
#include "control/config/config_parser.h"

namespace sluice {

class ConfigReader {
 public:
  // The lines change `start`; what `no` and `default` set back is as in `defaults`.
  ConfigReader(ServerConfig start, ServerConfig defaults, Platform platform);

  void read(const ConfigSource& source);
  // A line without its end, from wherever read() was or from a prompt.
  void take(std::string_view line);

  // What the next line stands in, and whether it belongs to a value that has begun.
  Mode mode() const { return modes_.back().mode; }
  size_t depth() const { return modes_.size() - 1; }
  bool in_value() const { return open_.has_value(); }
  void leave_modes();
  // Somebody else changed the configuration meanwhile; the modes stay.
  void go_on_from(ServerConfig config) { parsed_.config = std::move(config); }

  const ServerConfig& config() const { return parsed_.config; }
  // Since the last time.
  std::vector<ConfigMessage> take_errors() { return std::exchange(parsed_.errors, {}); }
  std::vector<ConfigMessage> take_warnings() { return std::exchange(parsed_.warnings, {}); }
  ParsedConfig finish() { return std::move(parsed_); }

 private:
  struct OpenMode {
    Mode mode;
    std::vector<std::string> context;
  };

  void match(std::string_view line);
  void begin(MatchedCommand matched, std::string_view line);
  void continue_value(std::string_view line);
  void end_before(std::string_view line);
  void finish_value(MatchedCommand& matched, std::string_view line);
  void apply(const MatchedCommand& matched, std::string_view line);
  void open_mode(const CommandRow& row, const CommandLine& line);
  ConfigMessage message(const LineError& error, std::string_view line) const;
  void refuse(const LineError& error, std::string_view line);

  ServerConfig defaults_;
  Platform platform_;
  ParsedConfig parsed_;
  std::string source_;
  size_t number_ = 0;
  std::vector<OpenMode> modes_{{Mode::global, {}}};
  bool indented_ = false;
  // A value that goes on.
  std::optional<MatchedCommand> open_;
  std::string open_text_;
  size_t open_number_ = 0;
};

}  // namespace sluice
