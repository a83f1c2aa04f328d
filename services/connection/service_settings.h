// What a server's services may do: from the configuration, the same for all connections that were opened under it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "services/transfer/user_budget.h"

namespace sluice {

struct SftpLimits {
  bool read_only = false;
  // Of all connections of a user; bytes a second in both directions.
  UserLimits user{.bytes_per_second = 0, .handles = 256, .memory_bytes = 64 << 20};
  bool transfer_log = true;
  // Into a file of its own.
  bool transfer_file = false;
};

struct ServiceSettings {
  SftpLimits sftp;
  bool sftp_enabled = true;
  bool scp_enabled = true;
  bool shell_enabled = true;
  // `ssh server port-forwarding local` and what Cisco has no words for. The broker has the same rules, and the last
  // word.
  bool local_forwarding = false;
  bool remote_forwarding = false;
  bool streamlocal_forwarding = false;
  bool agent_forwarding = true;
  // Of one connection.
  size_t session_channels = 64;
  size_t listeners = 64;
  // 0: none. A channel on which nothing moved for so long is closed.
  uint64_t idle_channel_ns = 0;
  // Likewise the whole connection.
  uint64_t idle_session_ns = 0;

  bool watches_idleness() const { return idle_channel_ns != 0 || idle_session_ns != 0; }
};

// Who is at the other end, for choosing and for the log. What he may do is decided by his broker.
struct LoginFacts {
  std::string user;
  std::string source;  // address and port
  std::optional<std::string> forced_command;
  bool pty = true;
  bool port_forwarding = true;
  bool agent_forwarding = true;
  // The message of the day is not shown, the login not recorded.
  bool quiet = false;
};

}  // namespace sluice
