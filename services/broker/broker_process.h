// What a fork of the starter does for the rest of its life: becomes the user and serves.
#pragma once

#include <optional>

#include "services/broker/broker.h"
#include "services/broker/login_records.h"
#include "services/broker/user_process.h"

namespace sluice {

struct StarterSettings {
  BrokerSettings broker;
  // Absent: no session is opened.
  SessionHook session;
  // Absent: logins on terminals are not recorded.
  std::optional<RecordFiles> records = {};
  // Nobody reads what the starter says; a daemon's caller waits for the end of its output.
  bool silent = false;
  // Brokers at one time; each is a process.
  size_t users = 4096;
};

[[noreturn]] void serve_as_broker(UserIdentity identity, UniqueFd control, const StarterSettings& settings,
                                  const DigestMaker& digests);

}  // namespace sluice
