// What a login costs the server at the least: the primitives alone, by libcrypto, with keys that are already loaded.
#pragma once

namespace sluice::bench {

// One X25519 key and agreement, one ed25519 signature and one verification, the exchange hash and six keys.
double bare_handshake_seconds();

}  // namespace sluice::bench
