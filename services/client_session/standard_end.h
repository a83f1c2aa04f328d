// A standard stream of the program as an end of a channel: read or written without making anybody wait, and without
// changing how others see the same stream.
#pragma once

#include <optional>

#include "base/unique_fd.h"

namespace sluice {

// Who else has the stream open would find it non-blocking where its flags were changed: a pipe or a terminal is opened
// again instead, a socket or what is never slow stays as it is. `descriptor` itself is left open.
// Nothing: there is no such stream.
struct StandardEnd {
  UniqueFd descriptor;
  // Its flags were changed after all, and are to be put back.
  bool flags_changed = false;
};

StandardEnd open_standard_end(int descriptor, bool for_writing);
// At the end of the program.
void restore_standard_flags();

}  // namespace sluice
