// CommandRow: one command as const data, from which parser, validation, completion, help, defaults, running-config and
// the reference page are made.
//
// A pattern is words with blanks between:
//   port              a keyword, known by any prefix that no other word here has
//   host-key/hostkey  a keyword and other spellings of it; the first one is printed
//   <5-120 seconds>   a number; <1-1024~65536> goes further where the platform is no router
//   {local|remote}    one of some words
//   NAME  NAME...     a value of a kind that value_kinds_table.cc knows; one or more of it
//   [ ... ]           may be left out
// Values are counted from the left, those in brackets too.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

struct ServerConfig;

// Where a line stands. In a mode below the global one, lines of the modes above it are understood too and leave it.
enum class Mode : uint8_t {
  global,
  access_list,
  pubkey_chain,
  pubkey_user,
  user,
  pubkey_server,
  radius_host,
  tacacs_host,
  trustpoint,
  certificate_profile,
  certificate_server,
  certificate_user,
};
inline constexpr size_t kModes = 12;

// Whose words they are. Every command is understood under every platform; this chooses what is printed.
inline constexpr uint8_t kOwn = 1, kIos = 2, kXr = 4, kAll = kOwn | kIos | kXr;

// The words given for each value of a pattern; none for one that was left out.
using Values = std::vector<std::vector<std::string>>;

// A command with its values: what a line says, and what a line is made from.
struct CommandLine {
  bool negated = false;
  Values values = {};
  // The values of the commands that opened the modes around it, outermost first.
  std::vector<std::string> context = {};

  bool operator==(const CommandLine&) const = default;
};

// Why values are refused; empty when they are not.
using Refusal = std::string;

// What a command does with the configuration. Functions of nothing but their arguments.
struct SettingBinding {
  Refusal (*set)(ServerConfig& config, const CommandLine& line);
  // `no ...`: off, gone, or back to the default for what cannot be absent.
  void (*negate)(ServerConfig& config, const CommandLine& line, const ServerConfig& defaults);
  // `default ...`
  void (*reset)(ServerConfig& config, const CommandLine& line, const ServerConfig& defaults);
  // The lines that give the setting as it is: for a switch that is off, a negated one.
  std::vector<CommandLine> (*lines)(const ServerConfig& config);
};

struct CommandRow {
  std::string_view pattern;
  uint8_t dialects;
  // Rows with the same name are spellings of one setting; only the fitting one is printed.
  std::string_view setting;
  std::string_view help;
  SettingBinding binding;
  // So many values name an entry of several; zero where there is only one.
  uint8_t keys = 0;
  Mode mode = Mode::global;
  // The mode of the lines below it; its own where it opens none.
  Mode enters = Mode::global;
  // Why a change waits for a restart; empty when it does not.
  std::string_view restart = {};
  // Why the command is kept and shown but does nothing; empty when it does something.
  std::string_view without_effect = {};

  bool opens_mode() const { return enters != Mode::global; }
};

}  // namespace sluice
