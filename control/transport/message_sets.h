// Which messages a peer may send in which phase: data, not code.
#pragma once

#include <bitset>
#include <cstdint>
#include <string_view>

#include "base/message_numbers.h"
#include "control/transport/role.h"

namespace sluice {

enum class TransportPhase : uint8_t {
  first_init,        // identified, the peer's KEXINIT has not come
  first_kex,         // first key exchange, not strict
  first_kex_strict,  // and strict: nothing but the exchange
  keyed,             // keys are in use, no service yet
  authenticating,
  connected,
};

enum class Verdict : uint8_t {
  take,
  unimplemented,  // unknown number: answer with UNIMPLEMENTED and go on
  unexpected,     // known but not allowed here: the connection ends
};

// Of a peer in the given role. `in_kex`: both KEXINITs of a rekey were sent, so the peer may send only what RFC 4253
// section 7.1 lists until its NEWKEYS.
Verdict judge_message(TransportPhase phase, Role peer, bool in_kex, uint8_t number);

}  // namespace sluice
