// The bodies of signatures between SSH's encodings and libcrypto's. Private to control/keys.
#pragma once

#include <vector>

#include "control/keys/libcrypto.h"

namespace sluice {

// From mpint r, mpint s (RFC 5656 section 3.1.2) to DER. Refuses r or s outside 1 .. order - 1.
KeyResult<std::vector<uint8_t>> ecdsa_der_from_wire(Bytes body, const BIGNUM* order);
// From 20 octets r, 20 octets s (RFC 4253 section 6.6) to DER, with the same range check.
KeyResult<std::vector<uint8_t>> dsa_der_from_wire(Bytes body, const BIGNUM* order);

KeyResult<std::vector<uint8_t>> ecdsa_wire_from_der(Bytes der);
KeyResult<std::vector<uint8_t>> dsa_wire_from_der(Bytes der);

}  // namespace sluice
