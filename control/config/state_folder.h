// Where the programs of one user keep their state and their configuration when nobody says otherwise.
#pragma once

#include <string>

#include "base/result.h"

namespace sluice {

// Makes it where it is missing, and the folders above it, whatever the umask is: mode 0700 its own, 0755 those above.
// Refuses one that somebody else may write in, for he could put his keys in the place of ours.
ResultOrText<void> make_state_folder(const std::string& path);
std::string default_state_directory(bool root);
// Below a folder that an environment variable may name instead of one in the home folder.
std::string user_folder(const char* variable, const char* below_home);

}  // namespace sluice
