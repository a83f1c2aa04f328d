// Root's folders are the system's, others' are in their homes.
#include "control/config/state_folder.h"

#include <cstdlib>

namespace sluice {

std::string user_folder(const char* variable, const char* below_home) {
  const char* value = ::getenv(variable);
  if (value && value[0] == '/') return value;
  const char* home = ::getenv("HOME");
  return std::string(home && home[0] == '/' ? home : "") + "/" + below_home;
}

std::string default_state_directory(bool root) {
  return root ? "/var/lib/sluice" : user_folder("XDG_STATE_HOME", ".local/state") + "/sluice";
}

}  // namespace sluice
