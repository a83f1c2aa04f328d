// The groups of settings of how the server is managed and watched, and of the client that its operators start.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sluice {

// What `ip ssh pubkey-chain` says of another host.
struct PeerKeys {
  std::vector<std::string> keys = {};        // as in .pub files
  std::vector<std::string> key_hashes = {};  // MD5, of RSA keys

  bool operator==(const PeerKeys&) const = default;
};

// For `ssh`, `scp` and `sftp` at the shell's prompt. Empty lists: the client's own.
struct ClientSettings {
  std::vector<std::string> auth_methods = {};
  std::vector<std::string> ciphers = {};
  std::vector<std::string> kex = {};
  std::vector<std::string> macs = {};
  std::vector<std::string> host_keys = {};  // in command words
  bool aes_cbc = false;
  bool des3_cbc = false;
  std::vector<std::string> disabled_macs = {};
  unsigned dscp = 16;
  std::optional<unsigned> tcp_window_scale = {};
  std::string known_hosts = {};
  std::string source_interface = {};  // its type and instance with a blank between, or its name
  std::string vrf = {};
  bool strict_host_keys = false;
  std::map<std::string, PeerKeys> servers = {};

  bool operator==(const ClientSettings&) const = default;
};

struct ManagementSettings {
  bool shell = false;  // users of `username` get the management shell instead of a program
  std::string shell_program = {};
  std::string socket = {};  // empty: in the folder of state, or for root's in /run/sluice
  // `enable secret`, as a user's.
  bool secret_word = false;
  std::string secret_type = {};
  std::string secret = {};

  bool operator==(const ManagementSettings&) const = default;
};

struct MetricsSettings {
  unsigned port = 0;  // 0: not served
  std::string address = "127.0.0.1";

  bool operator==(const MetricsSettings&) const = default;
};

}  // namespace sluice
