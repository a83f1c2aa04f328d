// read_config(): command line, the user's file, the system's file, and who is meant after all: names, port, user.
#pragma once

#include "control/client/config/client_options.h"

namespace sluice {

// Fills settings, tokens, warnings, original_host, host, port and user.
ResultOrText<void> read_config(const ClientInvocation& invocation, ClientOptions& out);

}  // namespace sluice
