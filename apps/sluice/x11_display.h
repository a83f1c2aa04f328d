// The user's X11 display: where it is and which cookie opens it, as DISPLAY and xauth(1) say.
#pragma once

#include "control/client/config/client_options.h"
#include "services/client_session/x11_stream.h"

namespace sluice {

// May wait for xauth. A cookie that the server is to show is made up.
// Waits for xauth, until `cancelled` is readable.
ResultOrText<X11Display> read_x11_display(const std::string& display, const SessionWishes& wishes, int cancelled);

}  // namespace sluice
