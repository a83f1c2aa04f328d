// The groups of settings that a ServerConfig is made of.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/keys/host_key_store.h"
#include "control/keys/key_options.h"

namespace sluice {

struct BindAddress {
  std::string address;
  unsigned port = 0;  // 0: the server's

  auto operator<=>(const BindAddress&) const = default;
};

struct ListenSettings {
  unsigned port = 22;
  std::vector<BindAddress> addresses = {};  // empty: all, IPv4 and IPv6
  unsigned dscp = 16;
  std::optional<unsigned> tcp_window_scale = {};
  unsigned netconf_port = 830;
  std::vector<std::string> proxies = {};  // networks whose PROXY protocol headers are believed

  bool operator==(const ListenSettings&) const = default;
};

// An access list of that name that does not exist admits nobody.
struct VrfSettings {
  std::string ipv4_access_list = {};
  std::string ipv6_access_list = {};

  bool operator==(const VrfSettings&) const = default;
};

struct AccessRule {
  bool permit;
  std::string source;  // an address, a network, or any

  bool operator==(const AccessRule&) const = default;
};

// By sequence number. Whom no rule names is denied.
using AccessList = std::map<unsigned, AccessRule>;

enum class CryptoPolicy : uint8_t { standard, modern };

// Empty lists: the platform's.
struct AlgorithmSettings {
  std::vector<std::string> ciphers = {};
  std::vector<std::string> kex = {};
  std::vector<std::string> macs = {};
  std::vector<std::string> host_keys = {};  // in command words
  bool aes_cbc = false;
  bool des3_cbc = false;
  std::vector<std::string> disabled_macs = {};
  CryptoPolicy policy = CryptoPolicy::standard;
  unsigned min_dh_bits = 2048;
  unsigned min_rsa_bits = 2048;
  std::string host_key_label{kDefaultKeyLabel};
  std::string rsa_keypair = {};

  bool operator==(const AlgorithmSettings&) const = default;
};

// A key is replaced at whichever comes first.
struct RekeySettings {
  unsigned minutes = 60;
  unsigned megabytes = 1024;
  // Below the routers' ranges, for tests and for the wary; 0: not set.
  unsigned seconds = 0;
  uint64_t kilobytes = 0;
  uint64_t packets = 0;

  uint64_t time_ns() const;
  uint64_t volume_bytes() const;
  uint64_t records() const;
  bool operator==(const RekeySettings&) const = default;
};

// In the order of their words in the command table, as the other enumerations here.
enum class RootAccess : uint8_t { yes, no, prohibit_password, forced_commands_only };

struct LoginSettings {
  std::vector<std::string> ways = {};            // empty: publickey, keyboard-interactive, password, each alone
  std::vector<std::string> key_algorithms = {};  // of users' signatures; empty: those on by default
  std::vector<std::string> allow_users = {};
  std::vector<std::string> deny_users = {};
  std::vector<std::string> allow_groups = {};
  std::vector<std::string> deny_groups = {};
  RootAccess root = RootAccess::prohibit_password;
  bool strict_modes = true;
  std::vector<std::string> authorized_keys{".ssh/authorized_keys", ".ssh/authorized_keys2"};
  bool pam = false;
  std::string pam_service = "sshd";
  // Variables that environment= of a key's line may set. None: a user who writes his own keys would set LD_PRELOAD, and
  // run what his shell or his forced command keeps from him.
  std::vector<std::string> key_environment = {};
  std::string local_account = {};  // as whom local users run; empty: as nobody, and so no local user gets a channel

  bool operator==(const LoginSettings&) const = default;
};

struct UserSettings {
  std::optional<unsigned> privilege = {};
  bool secret_word = false;      // given as `secret`, not `password`
  std::string secret_type = {};  // 0, 5, 7, 10 or empty
  std::string secret = {};
  std::vector<std::string> groups = {};
  std::vector<std::string> keys = {};        // as in .pub files
  std::vector<std::string> key_hashes = {};  // MD5, of RSA keys

  bool operator==(const UserSettings&) const = default;
};

struct AaaSettings {
  // With it and "local" in the exec list `default`, SCP is for privilege 15.
  bool new_model = false;
  std::map<std::string, std::vector<std::string>> login = {};
  std::map<std::string, std::vector<std::string>> exec = {};

  bool operator==(const AaaSettings&) const = default;
};

// Off, as with the routers. A direction without targets goes anywhere.
struct ForwardingSettings {
  bool local = false, remote = false;
  bool unix_local = false, unix_remote = false;
  bool agent = false;
  std::vector<ForwardTarget> permit_open = {};
  std::vector<ForwardTarget> permit_listen = {};
  // Where ports listen that lead to clients, in the order of the command's words.
  enum class Reach : uint8_t { loopback, as_asked, everywhere } reach = Reach::loopback;

  bool operator==(const ForwardingSettings&) const = default;
};

struct SessionSettings {
  unsigned idle_seconds = 0;  // 0: never
  unsigned channel_idle_seconds = 0;
  unsigned alive_interval_seconds = 0;
  unsigned alive_count = 3;
  unsigned channels = 256;
  unsigned window_kilobytes = 64 * 1024;
  unsigned window_budget_megabytes = 1024;
  std::vector<std::string> environment{"LANG", "LC_*"};
  bool motd = true;
  bool last_login = true;
  bool user_rc = true;

  bool operator==(const SessionSettings&) const = default;
};

struct SftpSettings {
  bool read_only = false;
  std::vector<std::string> read_only_users = {};
  std::vector<std::string> read_only_groups = {};
  std::string start_folder = {};
  std::string chroot = {};
  std::map<std::string, std::string> user_chroots = {};
  std::map<std::string, std::string> group_chroots = {};
  std::string umask = {};
  unsigned bandwidth_kilobytes = 0;  // a second, for each user; 0: no cap
  std::map<std::string, unsigned> user_bandwidths = {};
  unsigned handles = 1024;
  unsigned memory_megabytes = 64;  // of a user, as are the handles
  bool transfer_log = false;
  std::string transfer_log_file = {};  // empty: the log

  bool operator==(const SftpSettings&) const = default;
};

struct WorkerSettings {
  unsigned count = 0;  // 0: one for each core
  std::string cores = {};
  unsigned record_megabytes = 16;  // of each

  bool operator==(const WorkerSettings&) const = default;
};

enum class OffloadUse : uint8_t { software, hardware, adaptive };

struct OffloadSettings {
  std::vector<std::string> devices = {};
  OffloadUse use = OffloadUse::adaptive;
  unsigned verify_one_in = 0;

  bool operator==(const OffloadSettings&) const = default;
};

// OpenSSL ENGINEs as EngineSpec has them; empty: none.
struct EngineSettings {
  std::string arithmetic = {};  // key agreements, signatures, random bytes
  std::string token = {};       // holds host keys
  std::vector<std::string> host_keys = {};

  bool operator==(const EngineSettings&) const = default;
};

enum class LogDetail : uint8_t { debugging, informational, notifications, warnings, errors };

struct LogSettings {
  bool sessions = false;  // `ssh server logging`: successful logins too
  bool standard_error = true;
  bool syslog = true;
  bool journal = false;
  std::string file = {};
  std::map<std::string, unsigned> hosts = {};  // addresses and ports that get RFC 5424 by UDP
  unsigned lines_per_second = 1000;            // and no more, so that nobody fills the disk
  LogDetail detail = LogDetail::informational;

  bool operator==(const LogSettings&) const = default;
};

}  // namespace sluice
