// sluiced's command line, and the configuration that it and the file amount to.
#pragma once

#include <string>
#include <vector>

#include "control/config/config_parser.h"

namespace sluice {

struct ServerOptions {
  bool foreground = false;
  bool check_only = false;
  std::string file;  // empty: the default one, where it is there
  std::vector<std::string> lines;
  std::vector<std::string> listen;
  std::string port;
  std::string state_directory;
  std::string pid_file;
};

enum class OptionsOutcome : uint8_t { run, done, wrong };

// Prints help and version itself.
OptionsOutcome parse_options(int argc, char** argv, ServerOptions& options);

// What was read, so that a reload may read it again and another process may parse it.
struct ConfigText {
  std::string file_name;
  std::string file;
  std::string lines;
};

// Of the command line, or the default one.
std::string config_file(const ServerOptions& options, bool root);
ResultOrText<ConfigText> read_config_text(const ServerOptions& options, bool root);
// The command line's port, addresses and folder are lines too, behind the file's.
ParsedConfig parse_config_text(const ConfigText& text, const Machine& machine);
// What the network process may know of a configuration: all but the users and the lines that are kept for the servers
// of others, with their keys.
std::string network_text(ServerConfig config, const Machine& machine);
inline constexpr size_t kMaxNetworkText = 4 * kMaxConfigText;

}  // namespace sluice
