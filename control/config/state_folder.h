// Where the programs of one user keep their state and their configuration when nobody says otherwise.
#pragma once

#include <string>

namespace sluice {

std::string default_state_directory(bool root);
// Below a folder that an environment variable may name instead of one in the home folder.
std::string user_folder(const char* variable, const char* below_home);

}  // namespace sluice
