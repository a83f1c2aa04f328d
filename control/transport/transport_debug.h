// What a message is told as to who debugs: steps by name, never a secret.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "crypto_offload/cipher_suite.h"

namespace sluice {

std::vector<std::string> lines_of_received(Bytes payload);
std::vector<std::string> lines_of_sent(Bytes payload);
// A packet of so much payload; kind: in whose words.
std::vector<std::string> lines_of_packet_sent(size_t payload_bytes, const CipherSuite& suite, uint32_t kind);

}  // namespace sluice
