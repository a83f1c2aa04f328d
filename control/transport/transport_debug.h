// What a message or a packet is told as to who debugs: steps by name, measures, never a secret.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "crypto_offload/cipher_suite.h"
#include "dataplane/control_port.h"

namespace sluice {

// A line and the kind of debugging that it belongs to.
struct DebugLine {
  uint32_t kind;
  std::string text;
};

std::vector<std::string> lines_of_received(Bytes payload);
std::vector<std::string> lines_of_sent(Bytes payload);
// A packet of so much payload that is about to go. In the words of `debug ip ssh`, and in those of `debug ip ssh
// packet`.
std::vector<DebugLine> lines_of_sending(size_t payload_bytes, const CipherSuite& suite);
// A packet that came, or has its number and goes.
std::vector<DebugLine> lines_of_packet(const PacketSeen& packet);

}  // namespace sluice
