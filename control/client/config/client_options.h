// ClientOptions: what a client's run is to do, from its command line and ssh_config(5): values, not words.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/client/config/client_settings.h"
#include "control/client/config/forward_spec.h"
#include "control/client/config/option_tokens.h"
#include "control/client/host_key_policy.h"
#include "control/client_connection.h"

namespace sluice {

enum class WantTty : uint8_t { automatic, no, yes, force };
enum class SessionKind : uint8_t { shell_or_command, subsystem, none };
enum class MasterMode : uint8_t { no, yes, automatic, ask, automatic_ask };
enum class UpdateHostKeys : uint8_t { no, yes, ask };
// As -q and -v choose; debug1 and deeper are one.
enum class Verbosity : uint8_t { quiet, error, info, verbose, debug };

struct MasterOptions {
  MasterMode mode = MasterMode::no;
  std::string path;                    // empty: none
  std::optional<long long> persist_s;  // nothing: no; 0: for ever
};

// What `sluice ssh` does once it is logged in.
struct SessionWishes {
  SessionKind kind = SessionKind::shell_or_command;
  std::string command;  // or the subsystem's name
  WantTty tty = WantTty::automatic;
  bool stdin_null = false;
  bool fork_after_login = false;
  int escape = '~';  // -1: none
  bool escape_command_line = false;
  std::string local_command;
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<ForwardSpec> forwards;
  bool gateway_ports = false;
  bool exit_on_forward_failure = false;
  std::vector<std::string> permit_remote_open;  // "host:port" patterns; "any", "none"
  std::string agent_to_forward;                 // a socket's path; empty: none
  bool forward_x11 = false;
  bool x11_trusted = false;     // programs there may do whatever programs here may
  long long x11_timeout_s = 0;  // of those that are not trusted; 0: none
  std::string xauth = {};
  bool unlink_sockets = false;
  unsigned socket_mask = 0177;
};

// A port of DPDK that takes the place of the kernel's sockets; an empty device: none.
struct ClientPort {
  std::string device;
  std::vector<std::string> addresses;  // with their prefixes
  std::vector<std::string> gateways;
  size_t mtu = 1500;
  std::string eal_arguments;
  std::string capture;
};

struct ClientOptions {
  std::string original_host;  // as the user named it
  std::string host;           // what is dialed
  uint16_t port = 22;
  std::string user;

  int family = 0;  // AF_UNSPEC
  std::string bind_address, bind_interface;
  std::chrono::seconds connect_timeout{0};
  unsigned connection_attempts = 1;
  bool tcp_keepalive = true;
  int dscp_interactive = 0x48, dscp_bulk = 0x20;  // the TOS octet; -1: the system's

  ClientPort own_port;
  std::string proxy_command;       // for a shell, expanded
  std::vector<std::string> jumps;  // user@host:port or ssh://..., the nearest first
  TransportConfig transport;
  RekeyLimits rekey;
  ClientConnectionConfig connection;
  HostKeyPolicyConfig host_keys;
  UpdateHostKeys update_host_keys = UpdateHostKeys::yes;
  bool visual_host_key = false;
  std::string crypto_engine;  // NAME[,COMMAND[=VALUE]]...; empty: software alone
  bool batch = false;
  Verbosity verbosity = Verbosity::info;
  std::string syslog_facility = "user";

  MasterOptions master;
  SessionWishes session;

  std::string settings_file;  // -F
  TokenFacts tokens;
  ClientSettings settings;            // all words, for -G
  std::vector<std::string> warnings;  // to show before anything else
};

// What a program's command line says; its own flags as lines of configuration, in their order.
struct ClientInvocation {
  // host, user@host or ssh://user@host:port.
  std::string destination;
  std::vector<std::string> lines;           // "Port 22", as after -o; the first of an option wins
  std::string config_file;                  // -F; empty: the user's and the system's; "none": none
  std::vector<std::string> key_files = {};  // -i; one that is not there is told and left out
};

struct Destination {
  std::string host;
  std::string user;  // empty: not said
  std::optional<uint16_t> port;
};
// `scheme`: beside ssh://, or empty.
ResultOrText<Destination> parse_destination(std::string_view text, std::string_view scheme = "ssh");

// The text of a failure is complete, some lines perhaps: the program shows it and exits.
ResultOrText<ClientOptions> read_client_options(const ClientInvocation& invocation);

}  // namespace sluice
