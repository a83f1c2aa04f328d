// The commands of the shell, a row each.
#include "control/management/exec_table.h"

#include <array>
#include <map>

#include "control/management/exec_handlers.h"

namespace sluice {
namespace {

using namespace exec;

struct SharedHelp {
  std::string_view words;
  std::string_view help;
};

constexpr std::array kShared{
    SharedHelp{"show", "Show what is"},
    SharedHelp{"show ssh", "Secure Shell: sessions and the server"},
    SharedHelp{"show ssh session", "Sessions"},
    SharedHelp{"show ssh history", "The last hundred sessions that ended"},
    SharedHelp{"show ip", "Internet Protocol"},
    SharedHelp{"show crypto", "Cryptography"},
    SharedHelp{"show crypto key", "Key pairs"},
    SharedHelp{"show configuration", "The candidate's changes"},
    SharedHelp{"show lpts", "Sockets in the form of packet transport services"},
    SharedHelp{"show lpts bindings", "Bindings"},
    SharedHelp{"show tech-support", "All of it, without secrets"},
    SharedHelp{"clear", "End or forget"},
    SharedHelp{"clear ssh", "End sessions"},
    SharedHelp{"ssh", "Open a secure shell connection, or act on one"},
    SharedHelp{"ssh REMOTE [port", "Port to connect to"},
    SharedHelp{"ssh REMOTE [port <1-65535>] [username", "Accept userid for authentication"},
    SharedHelp{"ssh REMOTE [port <1-65535>] [username USER] [cipher", "Accept cipher type"},
    SharedHelp{"ssh REMOTE [port <1-65535>] [username USER] [cipher CIPHER] [source-interface",
               "Specify source interface"},
    SharedHelp{"ssh REMOTE [port <1-65535>] [username USER] [cipher CIPHER] [source-interface INTERFACE] [command",
               "Specify remote command (non-interactive)"},
    SharedHelp{"ssh REMOTE [username", "Accept userid for authentication"},
    SharedHelp{"ssh REMOTE [username USER] [port", "Port to connect to"},
    SharedHelp{"ssh REMOTE [username USER] [port <1-65535>] [cipher", "Accept cipher type"},
    SharedHelp{"ssh REMOTE [username USER] [port <1-65535>] [cipher CIPHER] [source-interface",
               "Specify source interface"},
    SharedHelp{"ssh REMOTE [username USER] [port <1-65535>] [cipher CIPHER] [source-interface INTERFACE] [command",
               "Specify remote command (non-interactive)"},
    SharedHelp{"ssh rekey", "New keys for a session"},
    SharedHelp{"crypto", "Cryptography"},
    SharedHelp{"crypto key", "Key pairs"},
    SharedHelp{"crypto key generate", "Make a pair"},
    SharedHelp{"crypto key zeroize", "Overwrite and remove a pair"},
    SharedHelp{"debug", "Tell what happens"},
    SharedHelp{"debug ip", "Internet Protocol"},
    SharedHelp{"debug ssh", "Secure Shell"},
    SharedHelp{"debug ssh server", "The server"},
    SharedHelp{"commit", "Put the candidate into effect"},
    SharedHelp{"copy", "Copy files, or the configuration"},
    SharedHelp{"rollback", "Back to what was before commits"},
    SharedHelp{"terminal", "What scripts say first"},
    SharedHelp{"write", "Save the running configuration"},
    SharedHelp{"enable", "More privilege"},
};

// Of the network process: as it is, and with each connection over its port, for which workers have to be asked.
constexpr const char* kFacts = "facts";
constexpr const char* kPortFacts = "facts port";

const std::array kRows{
    ExecRow{"enable [<0-15>]", "More privilege", enable, kEverybody, kAtExec},
    ExecRow{"disable [<0-15>]", "Less privilege", disable, kEverybody, kAtExec},
    ExecRow{"terminal length <0-512>", "Lines before output waits for a key: here it never does", terminal_length,
            kEverybody, kAtExec},
    ExecRow{"terminal width <0-512>", "Columns of a line: here a row is a line, however long", terminal_width,
            kEverybody, kAtExec},
    ExecRow{"configure [{terminal|exclusive}]", "Begin to configure", exec::configure, kManages, kAtExec},
    ExecRow{"exit", "Leave the mode, or the shell", leave, kEverybody},
    ExecRow{"quit", "Leave the mode, or the shell", leave, kEverybody},
    ExecRow{"logout", "Leave the shell", leave, kEverybody, kAtExec},
    ExecRow{"end", "End configuring; asks about changes", end, kManages, kAtConfig},
    ExecRow{"root", "To the top of the configuration", root, kManages, kAtConfig},
    ExecRow{"do LINE", "Run a command of the exec mode", do_line, kManages, kAtConfig},
    ExecRow{"commit", "Put the candidate into effect", exec::commit, kManages, kAtConfig},
    ExecRow{"commit confirmed <1-65535 seconds>", "It goes back by itself unless a commit confirms it",
            commit_confirmed, kManages, kAtConfig},
    ExecRow{"commit force", "Also when somebody else changed the configuration meanwhile", commit_force, kManages,
            kAtConfig},
    ExecRow{"abort", "Forget the changes and end configuring", exec::abort, kManages, kAtConfig},
    ExecRow{"clear", "Forget the changes", clear_candidate, kManages, kAtConfig},
    ExecRow{"rollback", "Back to what was before the last commit", rollback},
    ExecRow{"rollback configuration last <1-100>", "Back to what was before so many commits", rollback},
    ExecRow{"write [{memory}]", "Save the running configuration", save, kManages, kAtExec},
    ExecRow{"copy running-config startup-config", "Save the running configuration", save, kManages, kAtExec},
    ExecRow{"copy running-config LINE", "Copy the configuration in effect, secrets included, to scp://USER@HOST/PATH",
            copy_running, kManages, kAtExec},
    ExecRow{"copy LINE", "Copy FROM TO, each a path or scp://USER@HOST/PATH", copy_line, kManages, kAtExec},

    ExecRow{"show ssh", "Sessions", show_ssh, kWatches, kAnywhere, kFacts},
    ExecRow{"show ssh details", "Sessions and their algorithms", show_session_details, kWatches, kAnywhere, kFacts},
    ExecRow{"show ssh session details", "Sessions and their algorithms", show_session_details, kWatches, kAnywhere,
            kFacts},
    ExecRow{"show ssh history", "Sessions that ended", show_history, kWatches, kAnywhere, kFacts},
    ExecRow{"show ssh history details", "With algorithms and times", show_history_details, kWatches, kAnywhere, kFacts},
    ExecRow{"show ssh rekey", "Key exchanges, and what is left until the next", show_rekey, kWatches, kAnywhere,
            kFacts},
    ExecRow{"show ssh server", "The server's settings", exec::show_server, kWatches},
    ExecRow{"show ip ssh", "Whether SSH is served, and its limits", show_ip_ssh, kWatches, kAnywhere, kFacts},
    ExecRow{"show users", "Who has a terminal", show_users, kWatches, kAnywhere, kFacts},
    ExecRow{"show crypto key mypubkey [{all|rsa|dsa|ecdsa|ed25519}]", "Public halves of the host keys", show_keys,
            kWatches},
    ExecRow{"show crypto offload", "Drivers, devices, suites, errors", show_offload, kWatches, kAnywhere, kFacts},
    ExecRow{"show dataplane", "Workers and their load", show_dataplane, kWatches, kAnywhere, kFacts},
    ExecRow{"show port", "The Ethernet port without the kernel, and its counts", show_port, kWatches, kAnywhere,
            kFacts},
    ExecRow{"show port connections", "TCP over it: windows, round trips, what was sent again", show_port_connections,
            kWatches, kAnywhere, kPortFacts},
    ExecRow{"show brokers", "Processes that work in users' names", show_brokers, kWatches},
    ExecRow{"show top", "Counts of sessions, workers and devices", show_top, kWatches, kAnywhere, kFacts},
    ExecRow{"show lpts bindings brief", "Listeners and connections", show_lpts, kWatches, kAnywhere, kFacts},
    ExecRow{"show tcp [{brief}]", "Listeners and connections", show_tcp, kWatches, kAnywhere, kFacts},
    ExecRow{"show running-config/running-configuration [LINE]", "What is in effect, or the lines that begin so",
            show_running},
    ExecRow{"show startup-config", "What the next start reads", show_startup},
    ExecRow{"show configuration [{changes}]", "The candidate's changes", show_candidate},
    ExecRow{"show configuration commit list", "What was committed", show_commits},
    ExecRow{"show tech-support ssh", "All of it, without secrets", show_tech_support, kManages, kAnywhere, kFacts},
    ExecRow{"show version", "The program, and since when it runs", show_version, kWatches},
    ExecRow{"show clock", "The time", show_clock, kWatches},
    ExecRow{"show privilege", "What this shell may", show_privilege, kEverybody},
    ExecRow{"show debugging", "What is told", show_debugging, kWatches},

    ExecRow{"clear ssh <1-4294967295>", "End the session of this id", clear_ssh, kManages, kAtExec},
    ExecRow{"clear ssh all", "End all sessions", clear_all_ssh, kManages, kAtExec},
    ExecRow{"disconnect ssh <1-4294967295>", "End the session of this id", clear_ssh, kManages, kAtExec},
    ExecRow{"ssh rekey <1-4294967295>", "Of the session of this id", rekey, kManages, kAtExec},
    ExecRow{"ssh rekey all", "Of all sessions", rekey_all, kManages, kAtExec},
    ExecRow{"ssh REMOTE [port <1-65535>] [username USER] [cipher CIPHER] [source-interface INTERFACE] [command LINE]",
            "Connect to this host", ssh_host, kWatches, kAtExec},
    ExecRow{"ssh REMOTE [username USER] [port <1-65535>] [cipher CIPHER] [source-interface INTERFACE] [command LINE]",
            "Connect to this host", ssh_user, kWatches, kAtExec},
    ExecRow{"ssh vrf VRF LINE", "vrf table for the route lookup", ssh_vrf, kWatches, kAtExec},
    ExecRow{"ssh LINE", "-v -c -l -m -o -p HOST as IOS has it, or vrf and options in any order", ssh_line, kWatches,
            kAtExec},
    ExecRow{"scp LINE", "Copy files", scp_line, kManages, kAtExec},
    ExecRow{"sftp LINE", "Transfer files", sftp_line, kManages, kAtExec},

    ExecRow{"crypto key generate rsa [{usage-keys|general-keys}] [{label}] [LABEL] [modulus <1024-16384 bits>]",
            "An RSA pair", generate_rsa},
    ExecRow{"crypto key generate ecdsa [{nistp256|nistp384|nistp521}] [{label}] [LABEL]", "An ECDSA pair",
            generate_ecdsa},
    ExecRow{"crypto key generate {dsa|ed25519} [{label}] [LABEL]", "A pair", generate_other},
    ExecRow{"crypto key zeroize {rsa|dsa|ed25519} [LABEL]", "Remove the pair", zeroize},
    ExecRow{"crypto key zeroize ecdsa [{nistp256|nistp384|nistp521}] [LABEL]", "Remove the pairs", zeroize_ecdsa},
    ExecRow{"crypto key import FILE [{label}] [LABEL]", "Take over a private key", import_key},
    ExecRow{"crypto key reload", "Serve the pairs that are there now", reload_keys, kManages, kAtExec},
    ExecRow{"crypto key export {rsa|dsa|ed25519|ecdsa-nistp256|ecdsa-nistp384|ecdsa-nistp521} [LABEL]",
            "Print a private key, encrypted", export_key, kManages, kAtExec},

    ExecRow{"debug ip ssh [{detail|packet|client}]", "What sessions do", debug_ip_ssh, kManages, kAtExec, nullptr,
            true},
    ExecRow{"debug ip scp", "What SCP does", debug_ip_scp, kManages, kAtExec, nullptr, true},
    ExecRow{"debug ssh server", "What sessions do", debug_server, kManages, kAtExec, nullptr, true},
    ExecRow{"debug ssh server session <1-4294967295>", "Of this session", debug_session, kManages, kAtExec, nullptr,
            true},
    ExecRow{"debug ssh server address ADDRESS", "Of sessions from this address", debug_address, kManages, kAtExec,
            nullptr, true},
    ExecRow{"undebug all", "No more of it", undebug_all, kManages, kAtExec},
};

std::string_view exec_shared_help(std::string_view words) {
  for (const SharedHelp& row : kShared)
    if (row.words == words) return row.help;
  return {};
}

}  // namespace

ExecGrammar::ExecGrammar(uint8_t place, unsigned privilege) {
  for (const ExecRow& row : kRows) {
    if ((row.places & place) == 0 || row.privilege > privilege) continue;
    rows_.push_back(&row);
    commands_.push_back(CommandRow{row.pattern, kAll, row.pattern, row.help, {}});
  }
  grammar_ = std::make_unique<CommandGrammar>(commands_, exec_shared_help);
}

std::span<const ExecRow> ExecGrammar::rows() { return kRows; }

const ExecGrammar& exec_grammar(uint8_t place, unsigned privilege) {
  static std::map<std::pair<uint8_t, unsigned>, ExecGrammar> made;
  const unsigned level = privilege >= kManages ? kManages : privilege >= kWatches ? kWatches : kEverybody;
  const auto found = made.find({place, level});
  if (found != made.end()) return found->second;
  return made.emplace(std::pair(place, level), ExecGrammar(place, level)).first->second;
}

}  // namespace sluice
