// Root's folders are the system's, others' are in their homes.
#include "control/config/state_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace sluice {

std::string user_folder(const char* variable, const char* below_home) {
  const char* value = ::getenv(variable);
  if (value && value[0] == '/') return value;
  const char* home = ::getenv("HOME");
  return std::string(home && home[0] == '/' ? home : "") + "/" + below_home;
}

ResultOrText<void> make_state_folder(const std::string& path) {
  const auto wrong = [](const std::string& folder, const char* what) { return fail(folder + ": " + what); };
  for (size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    const std::string folder = path.substr(0, end);
    if (::mkdir(folder.c_str(), 0700) != 0) {
      if (errno == EEXIST) continue;
      // A folder that is there may stand where nobody may make one.
      const int why = errno;
      struct stat there;
      if (::stat(folder.c_str(), &there) != 0) return wrong(folder, std::strerror(why));
      continue;
    }
    if (end != std::string::npos && end + 1 < path.size() && ::chmod(folder.c_str(), 0755) != 0)
      return wrong(folder, std::strerror(errno));
  }
  struct stat facts;
  if (::stat(path.c_str(), &facts) != 0) return wrong(path, std::strerror(errno));
  if (!S_ISDIR(facts.st_mode)) return wrong(path, "is not a folder");
  if (facts.st_uid != ::geteuid() && facts.st_uid != 0) return wrong(path, "belongs to another user");
  if ((facts.st_mode & (S_IWGRP | S_IWOTH)) != 0) return wrong(path, "others may write in it: chmod go-w it");
  return {};
}

std::string default_state_directory(bool root) {
  return root ? "/var/lib/sluice" : user_folder("XDG_STATE_HOME", ".local/state") + "/sluice";
}

}  // namespace sluice
