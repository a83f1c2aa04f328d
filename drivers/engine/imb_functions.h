// ipsec-mb as a table of functions: made once a process, without lanes, so that forks and threads share nothing.
#pragma once

#include <intel-ipsec-mb.h>

namespace sluice {

// Null where the CPU or the memory does not allow it. The first call is the only one that allocates.
const IMB_MGR* imb_functions();
// For calls that want a manager that they may write to (they note an error code there): one of this thread, since
// threads that shared it would pull its cache line back and forth. Null without memory.
IMB_MGR* imb_of_thread();

}  // namespace sluice
