// ServerConfig: every setting of the server, typed; what a configuration says, and what holds where it says nothing.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "control/auth/backends/local_users.h"
#include "control/auth/login_limits.h"
#include "control/config/broker_wishes.h"
#include "control/config/management_settings.h"
#include "control/config/port_config.h"
#include "control/config/server_settings.h"

namespace sluice {

struct ServerConfig {
  Platform platform = Platform::sluice;
  std::string hostname = "Device";
  std::string domain_name = {};
  std::string state_directory = {};  // empty: where the program's user has his state

  bool enabled = true;
  unsigned ssh_version = 0;  // 0: unset. Version 2 is served whatever stands here
  ListenSettings listen = {};
  std::map<std::string, VrfSettings> vrfs = {};
  std::map<std::string, AccessList> ipv4_access_lists = {};
  std::map<std::string, AccessList> ipv6_access_lists = {};

  AlgorithmSettings algorithms = {};
  RekeySettings rekey = {};
  LoginLimits limits = {};
  LoginSettings login = {};
  std::map<std::string, UserSettings> users = {};
  AaaSettings aaa = {};

  ForwardingSettings forwarding = {};
  SessionSettings session = {};
  std::map<std::string, std::string> subsystems = {{"sftp", "internal-sftp"}};
  SftpSettings sftp = {};
  bool scp = true;

  WorkerSettings workers = {};
  BrokerWishes brokers = {};
  OffloadSettings offload = {};
  EngineSettings engines = {};
  PortConfig port = {};
  LogSettings log = {};
  std::optional<std::string> banner_login = {};
  std::optional<std::string> banner_motd = {};

  ClientSettings client = {};
  ManagementSettings management = {};
  MetricsSettings metrics = {};

  // Lines of commands that have no effect yet, each under its setting: kept and shown.
  std::map<std::string, std::set<std::string>> kept = {};
  // Likewise those that open modes and stand in them: the names that opened the modes, then the line's values.
  std::map<std::string, std::set<std::vector<std::string>>> kept_entries = {};

  bool operator==(const ServerConfig&) const = default;
};

// What the defaults are measured by.
struct Machine {
  unsigned cores = 1;
  uint64_t memory_bytes = uint64_t{1} << 30;
  // Only root may use port 22.
  bool root = false;

  static Machine here();
};

ServerConfig default_config(Platform platform, const Machine& machine);

// What no single command can know: warnings about settings that do not go together.
std::vector<std::string> doubts_about(const ServerConfig& config);

// By the local lists of AAA: SCP is for privilege 15.
bool scp_wants_privilege(const ServerConfig& config);

// Users as the monitor's back end takes them. What a secret is given as becomes a hash here.
ResultOrText<std::vector<LocalUser>> local_users(const ServerConfig& config, const KeyLimits& limits);
inline constexpr std::string_view kDefaultVrf = "default";
// Whether a VRF's access lists admit the address; without a list, whoever comes.
bool admitted(const ServerConfig& config, std::string_view vrf, const Address& address);

}  // namespace sluice
