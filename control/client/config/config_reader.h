// ConfigReader: ssh_config(5) files and `-o` lines into ClientSettings: Host, Match, Include, IgnoreUnknown.
//
// Files are read in a fixed order and never again but for `Match final` and `canonical`; a block that does not match is
// still checked, so that a mistake is told before the day on which it matters.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "control/client/config/client_settings.h"
#include "control/client/config/option_tokens.h"

namespace sluice {

// A config that includes itself, and one that is no config.
inline constexpr int kMaxIncludeDepth = 16;
inline constexpr size_t kMaxClientConfig = 4 << 20;

// Who is asked for by the blocks' conditions.
struct MatchFacts {
  TokenFacts tokens;  // original_host and who we are
  std::string host;   // what Host compares: original_host, or the canonical name in the second reading
  bool canonical = false;
  bool final = false;
};

class ConfigReader {
 public:
  // Runs a command of `Match exec`; true: it succeeded.
  using Run = std::function<bool(const std::string& command)>;

  ConfigReader(ClientSettings& settings, MatchFacts facts, Run run)
      : settings_(settings), facts_(std::move(facts)), run_(std::move(run)) {}

  // As after -o.
  void take_line(std::string_view line, const std::string& where);
  // False: there is none. `owned`: it must be the user's or root's and writable by nobody else.
  bool read_file(const std::string& path, const std::string& include_folder, bool owned);

  // Mistakes, each with file and line: the program ends.
  const std::vector<std::string>& errors() const { return errors_; }
  const std::vector<std::string>& warnings() const { return warnings_; }
  // A `Match final` was seen: a second reading is wanted.
  bool wants_final() const { return wants_final_; }
  std::string host_name() const;

 private:
  struct Place {
    std::string where;
    std::string folder;
    int depth = 0;
  };
  void read_text(std::string_view text, const std::string& path, const Place& from, bool active);
  void take(std::string_view line, const Place& place, bool& active, bool outer);
  void take_option(const std::string& keyword, std::string_view rest, const Place& place, bool active);
  void include(const std::vector<std::string>& words, const Place& place, bool active);
  bool matches_host(const std::vector<std::string>& patterns) const;
  bool matches(const std::vector<std::string>& words, const Place& place, bool outer);
  bool holds(const std::string& attribute, const std::string& value, const Place& place, bool reached);
  bool is_ignored(const std::string& keyword) const;

  ClientSettings& settings_;
  MatchFacts facts_;
  Run run_;
  std::string ignored_;
  std::vector<std::string> errors_, warnings_;
  bool wants_final_ = false;
};

}  // namespace sluice
