// Flags, help, and reading of the configuration file.
#include "apps/sluiced/options.h"

#include <getopt.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/file_text.h"
#include "control/config/running_config.h"
#include "control/config/state_folder.h"

namespace sluice {
namespace {

constexpr const char* kRootFile = "/etc/sluice/sluiced.conf";

constexpr const char* kHelp =
    R"(usage: sluiced [-D] [-t] [-f FILE] [-o LINE]... [-p PORT] [--listen ADDRESS]... [--state-dir DIR] [--pid-file FILE]

Serves SSH: shells, commands, SFTP, SCP and forwarding. Without a configuration an ordinary user serves himself on port
5522, by the keys in ~/.ssh/authorized_keys; root serves the system's users on port 22.

  -D, --foreground    stay in the foreground and log to standard error
  -t, --check         check the configuration and exit
  -f, --file FILE     configuration file (default: /etc/sluice/sluiced.conf as root,
                      ~/.config/sluice/sluiced.conf else; it need not exist)
  -o, --option LINE   one more line of configuration, after the file's: -o 'ssh server rekey-volume 2048'
  -p, --port PORT     port to listen on
      --listen ADDR   address to listen on, ADDR or ADDR:PORT or [ADDR]:PORT; may be repeated (default: all)
      --state-dir DIR where host keys are kept
      --pid-file FILE where the process number is written while it serves (default: /run/sluiced.pid for a daemon of
                      root's, else none)
  -h, --help          this text
  -V, --version       the version

SIGHUP reads the configuration again; SIGUSR1 logs what was counted; SIGTERM lets sessions end, a second one ends them.
docs/CONFIG.md has every line.
)";

std::string default_file(bool root) {
  return root ? kRootFile : user_folder("XDG_CONFIG_HOME", ".config") + "/sluice/sluiced.conf";
}

// ADDR, ADDR:PORT, [ADDR]:PORT -> "ADDR port PORT"
std::string listen_line(const std::string& text) {
  std::string line = "ssh server listen ";
  std::string address = text;
  std::string port;
  const size_t colon = text.rfind(':');
  if (!text.empty() && text[0] == '[') {
    // Anything else than ADDR in brackets, alone or with a port, stays as it is: it is no address, and said not to be.
    const size_t end = text.find(']');
    const std::string rest = end == std::string::npos ? "?" : text.substr(end + 1);
    if (rest.empty() || rest[0] == ':') address = text.substr(1, end - 1);
    if (rest.size() > 1) port = rest.substr(1);
  } else if (colon != std::string::npos && text.find(':') == colon) {
    address = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  line.append(address);
  if (!port.empty()) line.append(" port ").append(port);
  return line;
}

}  // namespace

OptionsOutcome parse_options(int argc, char** argv, ServerOptions& options) {
  static constexpr std::array<option, 11> kLong{{{"foreground", no_argument, nullptr, 'D'},
                                                 {"check", no_argument, nullptr, 't'},
                                                 {"file", required_argument, nullptr, 'f'},
                                                 {"option", required_argument, nullptr, 'o'},
                                                 {"port", required_argument, nullptr, 'p'},
                                                 {"listen", required_argument, nullptr, 'l'},
                                                 {"state-dir", required_argument, nullptr, 's'},
                                                 {"pid-file", required_argument, nullptr, 'P'},
                                                 {"help", no_argument, nullptr, 'h'},
                                                 {"version", no_argument, nullptr, 'V'},
                                                 {nullptr, 0, nullptr, 0}}};
  for (int flag; (flag = ::getopt_long(argc, argv, "Dtf:o:p:hV", kLong.data(), nullptr)) != -1;) {
    switch (flag) {
      case 'D': options.foreground = true; break;
      case 't': options.check_only = true; break;
      // A daemon has another folder when it reads it again.
      case 'f': options.file = std::filesystem::absolute(optarg).string(); break;
      case 'o': options.lines.emplace_back(optarg); break;
      case 'p': options.port = optarg; break;
      case 'l': options.listen.emplace_back(optarg); break;
      case 's': options.state_directory = std::filesystem::absolute(optarg).string(); break;
      case 'P': options.pid_file = std::filesystem::absolute(optarg).string(); break;
      case 'h': std::fputs(kHelp, stdout); return OptionsOutcome::done;
      case 'V': std::puts("sluiced 0.1.0"); return OptionsOutcome::done;
      default: std::fputs("sluiced: see sluiced --help\n", stderr); return OptionsOutcome::wrong;
    }
  }
  if (optind != argc) {
    std::fprintf(stderr, "sluiced: %s: no arguments are taken; see sluiced --help\n", argv[optind]);
    return OptionsOutcome::wrong;
  }
  return OptionsOutcome::run;
}

std::string config_file(const ServerOptions& options, bool root) {
  return options.file.empty() ? default_file(root) : options.file;
}

ResultOrText<ConfigText> read_config_text(const ServerOptions& options, bool root) {
  ConfigText text;
  text.file_name = config_file(options, root);
  if (auto file = file_text(text.file_name, kMaxConfigText)) {
    text.file = std::move(*file);
  } else if (!options.file.empty() || (errno != ENOENT && errno != ENOTDIR)) {
    // The default one need not be there. One that cannot be read may hold what keeps somebody out.
    return fail(text.file_name + ": " + std::strerror(errno));
  }
  const auto add = [&](const std::string& line) {
    text.lines.append(line);
    text.lines.push_back('\n');
  };
  for (const std::string& line : options.lines) add(line);
  if (!options.port.empty()) add("ssh server port " + options.port);
  for (const std::string& address : options.listen) add(listen_line(address));
  if (!options.state_directory.empty()) add("state-directory " + options.state_directory);
  return text;
}

ParsedConfig parse_config_text(const ConfigText& text, const Machine& machine) {
  const std::array<ConfigSource, 2> sources{{{text.file_name, text.file}, {"command line", text.lines}}};
  return parse_config(sources, machine);
}

std::string network_text(ServerConfig config, const Machine& machine) {
  config.users.clear();
  config.kept.clear();
  config.kept_entries.clear();
  config.management.secret.clear();
  // With a PIN, perhaps.
  config.engines.token.clear();
  config.engines.host_keys.clear();
  return running_config(config, machine);
}

}  // namespace sluice
