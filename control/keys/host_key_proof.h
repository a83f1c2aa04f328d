// What a server signs to prove that it holds a host key besides the one it showed: OpenSSH's PROTOCOL, section 2.5.
#pragma once

#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace sluice {

// The names of the announcement, of the request for proofs, and of what each proof is said to be for.
inline constexpr std::string_view kHostKeysAnnounced = "hostkeys-00@openssh.com";
inline constexpr std::string_view kHostKeysProve = "hostkeys-prove-00@openssh.com";

std::vector<uint8_t> host_key_proof_data(Bytes session_id, Bytes host_key);

}  // namespace sluice
