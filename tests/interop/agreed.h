// What a key exchange agreed on, in words, for whoever tests that it is what was asked for.
#pragma once

#include <string>

#include "control/transport/negotiation.h"

namespace sluice::test {

// Key exchange, host key, and cipher and MAC to the server and from it; an AEAD's MAC is "-".
inline std::string agreed(const Negotiated& negotiated) {
  std::string words(negotiated.method->name);
  words.append(" ").append(negotiated.host_key_algorithm);
  for (const CipherSuite* suite : {negotiated.client_to_server, negotiated.server_to_client}) {
    words.append(" ").append(suite->cipher->ssh_name);
    words.append(" ").append(suite->mac != nullptr ? suite->mac->ssh_name : "-");
  }
  return words;
}

}  // namespace sluice::test
