// Numbers that a stranger must not guess, all from one key: initial sequence numbers (RFC 6528), cookies (RFC 4987),
// where timestamps begin (RFC 7323 section 5.4), the table's hash, ephemeral ports (RFC 6056).
#pragma once

#include <array>
#include <optional>

#include "dataplane/netstack/ip_endpoints.h"

namespace sluice {

uint64_t sip_hash(const std::array<uint8_t, 16>& key, Bytes bytes);

class TcpSecrets {
 public:
  explicit TcpSecrets(const std::array<uint8_t, 16>& key) : key_(key) {}

  uint32_t table_hash(const IpEndpoints& endpoints) const;
  // Grows by one in 4 us beside the hash, so that a later connection between the same ends begins beyond an earlier.
  uint32_t initial_sequence(const IpEndpoints& endpoints, uint64_t now_us) const;
  uint32_t timestamp_offset(const IpEndpoints& endpoints) const;
  uint32_t port_offset(const IpEndpoints& endpoints) const;
  // Of a moment; nobody else knows it.
  uint32_t whim(uint64_t now_us) const;

  // The initial sequence number that stands for a handshake that we do not remember.
  uint32_t cookie(const IpEndpoints& endpoints, uint32_t peer_sequence, uint16_t mss, uint64_t now_us) const;
  // The peer's MSS, or a little less; nothing where the cookie is none of ours or too old.
  std::optional<uint16_t> open_cookie(const IpEndpoints& endpoints, uint32_t peer_sequence, uint32_t cookie,
                                      uint64_t now_us) const;

 private:
  uint64_t hash(uint8_t purpose, const IpEndpoints& endpoints, uint64_t extra) const;
  uint32_t cookie_hash(const IpEndpoints& endpoints, uint32_t peer_sequence, uint64_t tick, size_t mss_index) const;

  std::array<uint8_t, 16> key_;
};

// What a cookie has no room for goes into the lowest bits of the SYN-ACK's timestamp, which comes back.
inline constexpr uint32_t kCookieStampBits = 6;
uint32_t stamp_with_options(uint32_t timestamp, int window_shift, bool sack);
struct StampedOptions {
  int window_shift = -1;
  bool sack = false;
};
StampedOptions options_of_stamp(uint32_t timestamp);

}  // namespace sluice
