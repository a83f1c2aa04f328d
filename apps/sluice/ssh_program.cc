// sluice ssh: command line, options, another's connection or our own, exit code.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "apps/sluice/client_log.h"
#include "apps/sluice/mux_client.h"
#include "apps/sluice/programs.h"
#include "apps/sluice/ssh_command_line.h"
#include "apps/sluice/ssh_session.h"
#include "base/text.h"
#include "control/client/config/algorithm_list.h"
#include "control/client/config/option_row.h"
#include "control/keys/certificate.h"
#include "control/keys/name_patterns.h"

namespace sluice {
namespace {

constexpr int kOurFault = 255;

int print_algorithms(const std::string& query) {
  const std::string word = to_lower(query);
  struct {
    const char* name;
    AlgorithmFamily family;
  } const kinds[] = {{"cipher", AlgorithmFamily::ciphers},
                     {"ciphers", AlgorithmFamily::ciphers},
                     {"mac", AlgorithmFamily::macs},
                     {"macs", AlgorithmFamily::macs},
                     {"kex", AlgorithmFamily::kex},
                     {"kexalgorithms", AlgorithmFamily::kex},
                     {"key", AlgorithmFamily::host_keys},
                     {"key-plain", AlgorithmFamily::authorities},
                     {"key-cert", AlgorithmFamily::host_keys},
                     {"key-sig", AlgorithmFamily::signatures},
                     {"sig", AlgorithmFamily::authorities},
                     {"casignaturealgorithms", AlgorithmFamily::authorities},
                     {"hostkeyalgorithms", AlgorithmFamily::host_keys},
                     {"pubkeyacceptedalgorithms", AlgorithmFamily::signatures}};
  if (word == "help") {
    std::puts("cipher\nmac\nkex\nkey\nkey-cert\nkey-plain\nkey-sig\nsig\noption\nprotocol-version\ncompression");
    return 0;
  }
  // Ours alone: what may stand behind -o, for completion.
  if (word == "option") {
    for (const OptionRow& row : option_rows())
      if (row.kind != OptionKind::absent) std::puts(std::string(row.name).c_str());
    return 0;
  }
  if (word == "protocol-version") return std::puts("2"), 0;
  if (word == "compression") return std::puts("none"), 0;
  if (word == "cipher-auth") {
    return std::puts("aes128-gcm@openssh.com\naes256-gcm@openssh.com\nchacha20-poly1305@openssh.com"), 0;
  }
  for (const auto& kind : kinds) {
    if (word != kind.name) continue;
    for (const std::string& name : all_algorithms(kind.family)) {
      if (word != "key-cert" || find_certificate_algorithm(name)) std::puts(name.c_str());
    }
    return 0;
  }
  complain(joined({"-Q ", query, ": nothing of that kind; -Q help lists the kinds"}));
  return kOurFault;
}

// ssh(1): for a shell, or when asked for, and only where there is a terminal here; -tt regardless.
bool wants_terminal(const ClientOptions& options, bool stdio) {
  const SessionWishes& wishes = options.session;
  if (stdio || wishes.kind == SessionKind::none || wishes.tty == WantTty::no) return false;
  if (wishes.tty == WantTty::force) return true;
  const bool shell = wishes.command.empty() && wishes.kind == SessionKind::shell_or_command;
  if (wishes.tty == WantTty::automatic && !shell) return false;
  if (::isatty(STDIN_FILENO) != 0 && !wishes.stdin_null) return true;
  if (!wishes.stdin_null && options.verbosity >= Verbosity::info) {
    complain("Pseudo-terminal will not be allocated because stdin is not a terminal.");
  }
  return false;
}

// Why the command line and the options do not go together.
std::string join_command(const SshCommandLine& line, ClientOptions& options) {
  std::string typed;
  for (const std::string& word : line.command) typed.append(typed.empty() ? "" : " ").append(word);
  SessionWishes& wishes = options.session;
  if (!typed.empty() && !wishes.command.empty()) return "Cannot execute command-line and remote command.";
  if (!typed.empty()) wishes.command = typed;
  if (wishes.kind == SessionKind::subsystem && wishes.command.empty()) return "You must specify a subsystem to invoke.";
  if (wishes.fork_after_login && wishes.command.empty() && wishes.kind != SessionKind::none) {
    return "Cannot fork into background without a command to execute.";
  }
  return {};
}

class SshProgram {
 public:
  explicit SshProgram(SshCommandLine line) : line_(std::move(line)) {}

  int run() {
    auto options = read_client_options(line_.invocation);
    if (!options) return complain(options.error()), kOurFault;
    options_ = std::move(*options);
    if (line_.print_options) return print_options();
    if (line_.log_to_syslog) log_to_syslog(options_.verbosity, options_.syslog_facility);
    if (!line_.log_to_syslog && !set_client_log(options_.verbosity, line_.log_file)) {
      return complain(joined({"Cannot open log file ", line_.log_file})), kOurFault;
    }
    if (options_.verbosity >= Verbosity::info) {
      for (const std::string& warning : options_.warnings) complain(warning);
    }
    if (const std::string why = join_command(line_, options_); !why.empty()) return complain(why), kOurFault;
    if (!line_.stdio_target.empty()) {
      auto target = parse_host_port(line_.stdio_target);
      if (!target) return complain(target.error()), kOurFault;
      stdio_ = *target;
    }
    terminal_ = line_.order.empty() && wants_terminal(options_, stdio_.has_value());
    if (!line_.order.empty()) return give_order();
    if (const auto code = try_master()) return *code;
    return connect();
  }

 private:
  int print_options() {
    if (!options_.master.path.empty()) options_.settings.replace("ControlPath", {options_.master.path});
    std::string text = joined({"host ", options_.original_host, "\n", options_.settings.print()});
    if (!options_.settings.has("IdentityFile")) {
      for (const std::string& file : options_.connection.keys.files)
        text.append("identityfile ").append(file).append("\n");
    }
    std::fputs(text.c_str(), stdout);
    return 0;
  }

  MuxWish wish(const std::string& order) const { return {order, stdio_, terminal_}; }

  int give_order() {
    std::string order = line_.order;
    if (order == "proxy" ||
        (order != "check" && order != "forward" && order != "cancel" && order != "exit" && order != "stop")) {
      return complain(joined({"Invalid multiplex command ", order, ": check, forward, cancel, exit or stop"})),
             kOurFault;
    }
    if (options_.master.path.empty()) return complain("No ControlPath specified for \"-O\" command"), kOurFault;
    UniqueFd socket = connect_to_mux(options_.master.path);
    if (!socket) {
      return complain(joined({"Control socket connect(", options_.master.path, "): nobody listens there"})), kOurFault;
    }
    return run_over_mux(std::move(socket), options_, wish(order)).value_or(kOurFault);
  }

  std::optional<int> try_master() {
    if (options_.master.path.empty()) return std::nullopt;
    UniqueFd socket = connect_to_mux(options_.master.path);
    if (!socket) return std::nullopt;
    if (options_.master.mode == MasterMode::yes || options_.master.mode == MasterMode::ask) {
      complain(joined({"ControlSocket ", options_.master.path, " already exists, disabling multiplexing"}));
      options_.master.path.clear();
      return std::nullopt;
    }
    return run_over_mux(std::move(socket), options_, wish({}));
  }

  int connect() {
    SshWishes wishes;
    wishes.stdio_target = stdio_;
    wishes.terminal = terminal_;
    const bool persists = options_.master.persist_s.has_value() && options_.master.mode != MasterMode::no &&
                          !options_.master.path.empty() && !stdio_;
    if (persists) return connect_and_persist(std::move(wishes));
    Background background;
    if (options_.session.fork_after_login) {
      background = Background::split();
      if (!background.is_child()) return background.child_ended().value_or(0);
    }
    return finish(std::move(wishes), std::move(background));
  }

  // The master is a process of its own from the beginning; what the user started becomes its first client.
  int connect_and_persist(SshWishes wishes) {
    Background background = Background::split();
    if (background.is_child()) {
      wishes.master_only = true;
      wishes.terminal = false;
      return finish(std::move(wishes), std::move(background));
    }
    if (background.child_ended()) return *background.child_ended();
    UniqueFd socket = connect_to_mux(options_.master.path);
    if (socket) {
      options_.session.forwards.clear();
      if (const auto code = run_over_mux(std::move(socket), options_, wish({}))) return *code;
    }
    complain("the master that was just started does not answer");
    return kOurFault;
  }

  int finish(SshWishes wishes, Background background) {
    wishes.master = options_.master.mode != MasterMode::no && !options_.master.path.empty();
    auto* session = new SshSession(options_, std::move(wishes), std::move(background));
    const int code = session->run();
    std::fflush(stdout);
    // Threads, pools and rings end with the process: taking them down one by one is time that the user waits.
    ::_exit(code);
  }

  SshCommandLine line_;
  ClientOptions options_;
  std::optional<ForwardEnd> stdio_;
  bool terminal_ = false;
};

}  // namespace

int run_ssh(int argc, char** argv) {
  auto line = parse_ssh_command_line(argc, argv);
  if (!line) return complain(line.error()), kOurFault;
  if (line->help) return std::fputs(kSshHelp, stdout), 0;
  if (line->version) return std::fputs("Sluice_0.1, speaking SSH 2.0\n", stderr), 0;
  if (!line->query.empty()) return print_algorithms(line->query);
  return SshProgram(std::move(*line)).run();
}

}  // namespace sluice
