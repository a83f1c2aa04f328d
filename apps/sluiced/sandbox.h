// What the network process gives up before it hears the first byte: other users, files, programs, most system calls.
#pragma once

#include "base/result.h"

namespace sluice {

// As root: an empty root folder, the unprivileged account, no groups. Whoever we are: nothing can be gained any more.
// Threads that were started before keep the rights that they had: call it first.
ResultOrText<void> drop_rights();
// Only what moving bytes needs; everything else fails with EPERM. For this thread and all it starts.
// `port`: a driver of DPDK works in this process.
ResultOrText<void> restrict_calls(bool port);

}  // namespace sluice
