// PacketSeen: a packet that came or went, by its measures, for who debugs. Filled in while somebody does, and nothing
// of its content.
#pragma once

#include <cstdint>

#include "crypto_offload/cipher_suite.h"

namespace sluice {

struct PacketSeen {
  const CipherSuite* suite = nullptr;  // that it was sealed by
  uint32_t sequence = 0;
  uint32_t payload_bytes = 0;
  uint8_t padding = 0;
  uint8_t number = 0;  // of its message
  bool sent = false;
};

}  // namespace sluice
