// `crypto policy`: which algorithms a transport has, in one word.
#pragma once

#include "control/transport/transport_machine.h"

namespace sluice {

enum class CryptoPolicy : uint8_t {
  standard,
  // Without the NIST curves in key exchange and host keys, and without groups below 3072 bits. Users' keys stay what
  // they are: security keys are often ECDSA, and a user's key endangers nobody else.
  modern,
};

TransportConfig transport_config(Role role, CryptoPolicy policy);

}  // namespace sluice
