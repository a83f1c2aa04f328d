// LinkPolicy: what one connection's link may ask of its broker. The monitor makes it, the broker enforces it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace sluice {

struct ForwardRule {
  std::string host;   // a pattern with * and ?
  uint32_t port = 0;  // 0: any
  static auto fields(auto& s) { return std::tie(s.host, s.port); }
};

// `GatewayPorts`: who may reach what listens.
enum class GatewayPorts : uint8_t { loopback_only, everywhere, as_asked, count_ };

// What both lists allow becomes `rules`; an empty list allows all. False: nothing is left, which no list can say.
bool narrow_rules(std::vector<ForwardRule>& rules, const std::vector<ForwardRule>& others);

struct LinkPolicy {
  bool files = true;
  bool read_only = false;
  // Relative paths begin here; empty: the home folder.
  std::string start_folder;
  // Of files, directories and listeners at one time: each is a descriptor of the broker's.
  uint32_t max_handles = 256;
  // Taken away from the modes of new files and folders, besides what the user's own mask takes.
  uint32_t mask = 0;
  // Running programs at one time.
  uint32_t max_children = 64;

  bool programs = true;  // shell, command, subsystem
  bool terminal = true;
  // Instead of whatever is asked, which it finds in SSH_ORIGINAL_COMMAND. Then there are no file requests either.
  std::optional<std::string> forced_command;
  std::vector<std::pair<std::string, std::string>> subsystems;  // name, command
  // What every program gets, and patterns of the names that a client may set.
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<std::string> accepted_names;
  // What a shell on a terminal is preceded by: a text of the configuration's, or the system's file; and when the user
  // was here last.
  std::string message;
  bool message_file = false;
  bool last_login = false;
  bool user_rc = false;  // ~/.ssh/rc before a shell or a command

  bool connect_tcp = false;
  bool listen_tcp = false;
  bool connect_unix = false;
  bool listen_unix = false;
  bool agent = false;
  std::vector<ForwardRule> permit_open, permit_listen;  // empty: any
  GatewayPorts gateway = GatewayPorts::loopback_only;
  uint32_t unix_mask = 0177;     // StreamLocalBindMask
  bool replace_sockets = false;  // StreamLocalBindUnlink

  bool may_use_files() const { return files && !forced_command; }
  bool may_open(std::string_view host, uint32_t port) const;
  bool may_listen(std::string_view address, uint32_t port) const;
  bool accepts(std::string_view variable) const;
  // Null: no such subsystem.
  const std::string* subsystem(std::string_view name) const;

  // A forced command `internal-sftp [-R] [-d FOLDER] [-u MASK]` is no program but the right to files and nothing else.
  void take_internal_sftp();

  static auto fields(auto& s) {
    return std::tie(s.files, s.read_only, s.start_folder, s.max_handles, s.mask, s.max_children, s.programs, s.terminal,
                    s.forced_command, s.subsystems, s.environment, s.accepted_names, s.message, s.message_file,
                    s.last_login, s.user_rc, s.connect_tcp, s.listen_tcp, s.connect_unix, s.listen_unix, s.agent,
                    s.permit_open, s.permit_listen, s.gateway, s.unix_mask, s.replace_sockets);
  }
};

bool matches_glob(std::string_view text, std::string_view pattern);

}  // namespace sluice
