// sluicectl: manages sluiced: one command for scripts, or a shell. Host keys also without a server, on the folder where
// they are kept.
#include <getopt.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "apps/sluicectl/key_files.h"
#include "apps/sluicectl/shell.h"
#include "control/config/state_folder.h"
#include "control/keys/fingerprint.h"
#include "control/keys/public_key_text.h"

namespace {

using namespace sluice;

constexpr int kFailed = 1, kUsage = 2;
constexpr const char* kRootSocket = "/run/sluice/control";

constexpr const char* kHelp =
    R"(usage: sluicectl [--socket PATH] [--state-dir DIR] [--yes] [--json] [COMMAND]
       sluicectl [...] top [SECONDS]

Without a command: a shell with history, completion (Tab) and help (?). With one: that command of the shell, as

  show ssh | show ssh session details | show ssh history | show ssh rekey | show ssh server | show ip ssh
  show running-config ssh | show crypto offload | show dataplane | show users | show tech-support ssh
  clear ssh ID | ssh rekey ID
  crypto key generate {rsa [modulus BITS]|dsa|ecdsa [CURVE]|ed25519} [label LABEL]
  crypto key zeroize {rsa|dsa|ecdsa [CURVE]|ed25519} [LABEL] | crypto key import FILE [label LABEL]
  show crypto key mypubkey [all|rsa|dsa|ecdsa|ed25519]

in the words of Cisco IOS and IOS XR, each shortened as far as it is clear. Commands about keys need no running server.
`top` is a live screen of sessions, rates and devices.

      --socket PATH    where sluiced is managed (default: control in the folder of state, /run/sluice/control as root)
      --state-dir DIR  the folder that sluiced has its state in (default: that of the one that answers; without one
                       /var/lib/sluice as root, ~/.local/state/sluice else)
  -y, --yes            say yes where it is asked: replace, remove
      --json           show as JSON
  -c LINE              the command as one word
  -h, --help           this text
  -V, --version        the version
)";

struct Options {
  std::string socket;
  std::string state_directory;
  std::string line;
  bool yes = false;
  bool json = false;
};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string folder_of(const Options& options) {
  return options.state_directory.empty() ? default_state_directory(::geteuid() == 0) : options.state_directory;
}

std::string socket_of(const Options& options) {
  if (!options.socket.empty()) return options.socket;
  if (const std::string given = variable("SLUICE_CONTROL"); !given.empty()) return given;
  if (options.state_directory.empty() && ::geteuid() == 0) return kRootSocket;
  return folder_of(options) + "/control";
}

// Where the server that answers has its keys; without one, or where it has never been told, the usual folder.
std::string served_folder(const Options& options) {
  constexpr std::string_view kWord = "state-directory ";
  if (!options.state_directory.empty()) return options.state_directory;
  auto link = ctl::ControlLink::connect(socket_of(options), "", false);
  if (!link) return folder_of(options);
  const auto told = link->line("show running-config state-directory");
  if (!told || told->failed) return folder_of(options);
  const std::string text = "\n" + told->output;
  const size_t at = text.find("\n" + std::string(kWord));
  if (at == text.npos) return folder_of(options);
  const size_t begin = at + 1 + kWord.size();
  return text.substr(begin, text.find('\n', begin) - begin);
}

int complain(const std::string& what) {
  std::fprintf(stderr, "sluicectl: %s\n", what.c_str());
  return kFailed;
}

std::string joined(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line.append(line.empty() ? "" : " ").append(word);
  return line;
}

// A server that runs serves what is there now.
void tell_of_keys(const Options& options) {
  auto link = ctl::ControlLink::connect(socket_of(options), "", false);
  if (link) (void)link->line("crypto key reload");
}

// For the client's KnownHostsCommand: HASHES NAME HOST TYPE KEY; says the line of known_hosts if one of the hashes is
// the key's and the host is the one that they were configured for.
int known_server(const std::vector<std::string>& words) {
  if (words.size() != 6) return kUsage;
  const std::string& name = words[2];
  const std::string& host = words[3];
  if (host != name && !host.starts_with("[" + name + "]:")) return 0;
  const auto named = parse_public_key_line(words[4] + " " + words[5]);
  // It is asked for the kinds of keys that are known, too: of those it knows nothing.
  if (!named) return 0;
  for (std::string_view rest = words[1]; !rest.empty();) {
    const std::string_view hash = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(hash.size() + 1, rest.size()));
    if (hash == sha256_fingerprint(named->key) || matches_key_hash(named->key, hash))
      return std::printf("%s %s\n", host.c_str(), to_text(named->key, "").c_str()), 0;
  }
  return 0;
}

int run_words(const Options& options, const std::vector<std::string>& words) {
  if (words[0] == "known-server") return known_server(words);
  const std::string ticket = variable("SLUICE_TICKET");
  const std::string line = joined(words);
  if (ticket.empty()) {
    if (const auto request = ctl::parse_key_request(words)) {
      bool changed = false;
      const int status = ctl::run_key_request(*request, {served_folder(options), options.yes, options.json}, changed);
      if (changed && status == 0) tell_of_keys(options);
      return status;
    } else if (words.size() > 1 && words[0] == "crypto" && words[1] == "key" && words.back() != "export") {
      // Whatever is wrong with it, a server would say no better.
      const bool theirs =
          words.size() > 2 && (std::string_view("export").starts_with(words[2]) || words[2] == "reload");
      if (!theirs) return complain(request.error() + "; see sluicectl --help"), kUsage;
    }
  }
  const bool top = words.size() <= 2 && words[0] == "top";
  auto link = ctl::ControlLink::connect(socket_of(options), ticket, options.json && !top);
  if (!link) return complain(link.error());
  if (top) {
    const double seconds = words.size() > 1 ? std::strtod(words[1].c_str(), nullptr) : 2;
    if (!(seconds >= 0.1 && seconds <= 3600)) return complain("top takes 0.1 to 3600 seconds"), kUsage;
    return ctl::run_top(*link, seconds, ::isatty(STDOUT_FILENO) != 0 ? 0 : 2);
  }
  return ctl::run_line(*link, line, options.yes);
}

}  // namespace

int main(int argc, char** argv) {
  static constexpr std::array<option, 7> kLong{{{"state-dir", required_argument, nullptr, 's'},
                                                {"socket", required_argument, nullptr, 'S'},
                                                {"yes", no_argument, nullptr, 'y'},
                                                {"json", no_argument, nullptr, 'j'},
                                                {"help", no_argument, nullptr, 'h'},
                                                {"version", no_argument, nullptr, 'V'},
                                                {nullptr, 0, nullptr, 0}}};
  // The ticket in its environment is nobody else's, of the same account or not.
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  Options options;
  for (int flag; (flag = ::getopt_long(argc, argv, "+yc:hV", kLong.data(), nullptr)) != -1;) {
    switch (flag) {
      case 's': options.state_directory = optarg; break;
      case 'S': options.socket = optarg; break;
      case 'y': options.yes = true; break;
      case 'j': options.json = true; break;
      // As a login's shell is called.
      case 'c': options.line = optarg; break;
      case 'h': std::fputs(kHelp, stdout); return 0;
      case 'V': std::puts("sluicectl 0.1.0"); return 0;
      default: std::fputs("sluicectl: see sluicectl --help\n", stderr); return kUsage;
    }
  }
  std::vector<std::string> words(argv + optind, argv + argc);
  if (!options.line.empty()) words = {options.line};
  if (!words.empty()) return run_words(options, words);
  auto link = ctl::ControlLink::connect(socket_of(options), variable("SLUICE_TICKET"), options.json);
  if (!link) return complain(link.error());
  return ctl::run_shell(*link);
}
