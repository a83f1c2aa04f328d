// Commands about host keys, done on the folder where they are kept: with a server or without one.
#pragma once

#include <string>

#include "apps/sluicectl/key_request.h"

namespace sluice::ctl {

struct KeyFileOptions {
  std::string folder;  // the server's of state
  bool yes = false;    // replace and remove without asking
  bool json = false;
};

// The exit status. `changed`: pairs were made or removed.
int run_key_request(const KeyRequest& request, const KeyFileOptions& options, bool& changed);

}  // namespace sluice::ctl
