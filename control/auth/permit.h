// Permit: who somebody turned out to be and what he may do; made by the monitor alone, copied to whoever needs it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "control/keys/key_options.h"

namespace sluice {

class WireReader;
class WireWriter;

inline constexpr uint8_t kMaxPrivilege = 15;
// Of one encoded permit: what the options of one authorized_keys line can hold.
inline constexpr size_t kMaxPermit = 32 * 1024;
inline constexpr size_t kMaxPermitItems = 256;

struct Permit {
  std::string user;
  // Of the system; a local user of the router kind runs as whoever the server's configuration names.
  bool system_account = false;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string home;
  std::string shell;
  uint8_t privilege = 1;
  // "publickey", or "publickey,password" where several were demanded.
  std::string methods;
  // Fingerprints of the keys that were used, for the log and for `show ssh`.
  std::string key;

  bool pty = true;
  bool port_forwarding = true;
  bool agent_forwarding = true;
  bool x11_forwarding = true;
  bool user_rc = true;
  std::optional<std::string> command;
  std::optional<uint32_t> tunnel;
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<ForwardTarget> permit_open;
  std::vector<ForwardTarget> permit_listen;

  void apply(const KeyOptions& options);
  // With another step's permit for the same user: the stricter of both. False when they contradict each other, as two
  // forced commands do; then nobody may log in.
  bool narrow(const Permit& other);

  // Small enough for read() to take on the other side.
  bool fits() const;
  void write(WireWriter& out) const;
  static Result<Permit> read(WireReader& in);
};

}  // namespace sluice
