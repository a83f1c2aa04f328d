// A TCP segment as fields: read from hostile bytes, written for the wire (RFC 9293 section 3.1, RFC 7323, RFC 2018).
#pragma once

#include <array>
#include <optional>
#include <span>

#include "base/bytes.h"

namespace sluice {

inline constexpr size_t kTcpHeaderBytes = 20;
inline constexpr size_t kMostTcpHeaderBytes = 60;
inline constexpr size_t kMostSackBlocks = 4;

inline constexpr uint8_t kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16, kUrg = 32;

struct SackBlock {
  uint32_t begin = 0;
  uint32_t end = 0;
  bool operator==(const SackBlock&) const = default;
};

struct TcpSegment {
  uint16_t from_port = 0;
  uint16_t to_port = 0;
  uint32_t sequence = 0;
  uint32_t acknowledgment = 0;
  uint8_t flags = 0;
  uint16_t window = 0;

  uint16_t mss = 0;          // 0: no such option
  int8_t window_shift = -1;  // -1: no such option; larger ones than 14 are 14
  bool sack_permitted = false;
  bool has_timestamps = false;
  uint32_t timestamp = 0;
  uint32_t timestamp_echo = 0;
  uint8_t sack_count = 0;
  std::array<SackBlock, kMostSackBlocks> sacks{};

  Bytes payload;                     // the first piece
  std::span<const Bytes> more = {};  // what follows it
  size_t payload_size = 0;           // of all

  bool has(uint8_t flag) const { return (flags & flag) != 0; }
  // What it takes of the sequence space.
  uint32_t length() const {
    return static_cast<uint32_t>(payload_size) + (has(kSyn) ? 1u : 0u) + (has(kFin) ? 1u : 0u);
  }
  uint32_t end() const { return sequence + length(); }

  // Nothing where a length contradicts what is there. An option that is malformed ends the options.
  static std::optional<TcpSegment> parse(Bytes bytes, std::span<const Bytes> more = {});
  // Header and options, checksum 0, into at least kMostTcpHeaderBytes; returns the size. The payload is not written.
  size_t write_header(MutableBytes out) const;
  size_t header_size() const;
};

}  // namespace sluice
