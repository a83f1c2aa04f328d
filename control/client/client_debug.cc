// The routers count connections; a client has one.
#include "control/client/client_debug.h"

#include <string>

#include "base/debug_words.h"

namespace sluice {

void tell_client_step(std::string_view line) {
  const std::string text(line);
  if (text.starts_with("sent protocol version id ")) {
    tell_client_debug("SSH CLIENT0: " + text);
  } else if (text.starts_with("protocol version id is - ")) {
    tell_client_debug("SSH CLIENT0: " + text);
    tell_client_debug("SSH CLIENT0: protocol version exchange successful");
  } else if (text == "SSH2_MSG_NEWKEYS received") {
    tell_client_debug("SSH CLIENT0: key exchange successful and encryption on");
  } else if (text.starts_with("using method ")) {
    tell_client_debug("SSH2 CLIENT 0: " + text + (text.ends_with(" password") ? " authentication" : ""));
  } else if (text == "SSH2_MSG_USERAUTH_SUCCESS message received") {
    tell_client_debug("SSH2 CLIENT 0: " + text);
    tell_client_debug("SSH CLIENT0: user authenticated");
  }
}

}  // namespace sluice
