// UserIdentity: who a broker is and where its root is. The monitor makes it from what it verified.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace sluice {

struct UserIdentity {
  std::string name;
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups;
  // As they are inside the root.
  std::string home;
  std::string shell;
  // Empty: the machine's own.
  std::string root;
  uint32_t umask = 022;
  // What logging in set, for every program.
  std::vector<std::pair<std::string, std::string>> environment;
  // Of a session of the system's, which belongs to one connection, so that no other one shares this broker; 0: none.
  uint32_t session = 0;
  std::string session_service;  // PAM's name for us
  std::string remote_host;
  // What opening that session had to say, for whoever gets a shell.
  std::string session_text;

  bool operator==(const UserIdentity&) const = default;
  static auto fields(auto& s) {
    return std::tie(s.name, s.uid, s.gid, s.groups, s.home, s.shell, s.root, s.umask, s.environment, s.session,
                    s.session_service, s.remote_host, s.session_text);
  }
};

}  // namespace sluice
