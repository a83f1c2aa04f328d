// The sum of RFC 1071 over pieces of any length.
#pragma once

#include "base/bytes.h"
#include "dataplane/netstack/ip_address.h"

namespace sluice {

class InetChecksum {
 public:
  InetChecksum& add(Bytes bytes);
  InetChecksum& add_u32(uint32_t value) {
    sum_ += (value >> 16) + (value & 0xffff);
    return *this;
  }
  // A header of 32-bit words, in front of all else.
  InetChecksum& add_header(const uint8_t* at, size_t words) {
    for (size_t i = 0; i < words; ++i) add_u32(load_be32(at + 4 * i));
    return *this;
  }
  // RFC 9293 section 3.1, RFC 8200 section 8.1.
  InetChecksum& add_pseudo_header(const IpAddress& from, const IpAddress& to, uint8_t protocol, size_t length);
  // Folded, not complemented: what a device that finishes the job wants to find in the field.
  uint16_t folded() const;
  // What belongs into the field, or 0 over a packet whose field is right.
  uint16_t value() const { return static_cast<uint16_t>(~folded()); }

 private:
  uint64_t sum_ = 0;
  bool odd_ = false;
};

}  // namespace sluice
