// What the words of a command about host keys ask for.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "control/keys/host_key_store.h"

namespace sluice::ctl {

struct KeyRequest {
  enum class Verb : uint8_t { generate, zeroize, import, show };
  Verb verb = Verb::show;
  std::vector<KeyType> types = {};  // generate: one; zeroize and show: several where the words name no curve
  std::string label{kDefaultKeyLabel};
  unsigned modulus = 0;
  std::string file = {};  // import
};

// The words of either dialect, each shortened to what no other word has:
//   crypto key generate rsa [usage-keys|general-keys] [label LABEL | LABEL] [modulus BITS]
//   crypto key generate {dsa|ecdsa [CURVE]|ed25519} [label LABEL | LABEL]
//   crypto key zeroize {rsa|dsa|ecdsa [CURVE]|ed25519} [LABEL]
//   crypto key import FILE [label LABEL | LABEL]
//   show crypto key mypubkey [all|rsa|dsa|ecdsa|ed25519]
ResultOrText<KeyRequest> parse_key_request(std::span<const std::string> words);

}  // namespace sluice::ctl
