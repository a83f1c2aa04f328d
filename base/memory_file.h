// A file without a name that holds a text, for another process to read.
#pragma once

#include <string_view>

#include "base/unique_fd.h"

namespace sluice {

// Closed on exec, read from its beginning. Empty, with errno, where there is none to be had.
UniqueFd memory_file(const char* name, std::string_view text);

}  // namespace sluice
