// The server's other host keys, OpenSSH's PROTOCOL section 2.5: telling a client of them, and which of them it wants
// proved.
#pragma once

#include <optional>

#include "control/keys/host_key_proof.h"
#include "control/monitor/monitor_protocol.h"
#include "control/transport/kexinit.h"

namespace sluice {

// A global request that names every key of which one of `allowed` is an algorithm.
std::vector<uint8_t> write_host_keys_request(const std::vector<OfferedHostKey>& keys, const NameList& allowed);

// What to sign for a client that sent these blobs. Nothing when it is malformed or names a key that is not ours: then
// the whole request fails. An RSA key signs as agreed in the key exchange, where that was RSA too.
std::optional<std::vector<ProofKey>> read_prove_request(Bytes data, const std::vector<OfferedHostKey>& keys,
                                                        std::string_view negotiated_algorithm);

// The reply's data. Nothing when a signature is missing.
std::optional<std::vector<uint8_t>> write_proofs(const std::vector<std::vector<uint8_t>>& signatures, size_t wanted);

}  // namespace sluice
