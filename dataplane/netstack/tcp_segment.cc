// Reading and writing TCP's header and its options.
#include "dataplane/netstack/tcp_segment.h"

#include <algorithm>

namespace sluice {
namespace {

constexpr uint8_t kEndOfOptions = 0, kNoOperation = 1, kMss = 2, kWindowShift = 3, kSackPermitted = 4, kSack = 5,
                  kTimestamps = 8;
constexpr int kMostShift = 14;  // RFC 7323 section 2.3

uint16_t load_be16(const uint8_t* p) { return static_cast<uint16_t>((p[0] << 8) | p[1]); }

void store_be16(uint8_t* p, uint16_t v) {
  p[0] = static_cast<uint8_t>(v >> 8);
  p[1] = static_cast<uint8_t>(v);
}

void take_sacks(TcpSegment& segment, const uint8_t* at, size_t size) {
  if ((size - 2) % 8 != 0) return;
  const size_t n = std::min((size - 2) / 8, kMostSackBlocks);
  for (size_t i = 0; i < n; ++i) segment.sacks[i] = {load_be32(at + 2 + 8 * i), load_be32(at + 6 + 8 * i)};
  segment.sack_count = static_cast<uint8_t>(n);
}

// An option whose length is not its kind's is passed over, as an unknown one is.
void take_option(TcpSegment& segment, const uint8_t* at, size_t size) {
  const bool syn = segment.has(kSyn);
  switch (at[0]) {
    case kMss:
      if (syn && size == 4) segment.mss = load_be16(at + 2);
      return;
    case kWindowShift:
      if (syn && size == 3) segment.window_shift = static_cast<int8_t>(std::min<int>(at[2], kMostShift));
      return;
    case kSackPermitted:
      if (syn && size == 2) segment.sack_permitted = true;
      return;
    case kSack: return take_sacks(segment, at, size);
    case kTimestamps:
      if (size != 10) return;
      segment.has_timestamps = true;
      segment.timestamp = load_be32(at + 2);
      segment.timestamp_echo = load_be32(at + 6);
      return;
    default: return;
  }
}

void take_options(TcpSegment& segment, Bytes options) {
  // What nearly every segment has: two fillers and timestamps.
  if (options.size() == 12 && load_be32(options.data()) == 0x0101080a) {
    return take_option(segment, options.data() + 2, 10);
  }
  while (!options.empty()) {
    const uint8_t kind = options[0];
    if (kind == kEndOfOptions) return;
    if (kind == kNoOperation) {
      options = options.subspan(1);
      continue;
    }
    if (options.size() < 2 || options[1] < 2 || options[1] > options.size()) return;
    take_option(segment, options.data(), options[1]);
    options = options.subspan(options[1]);
  }
}

}  // namespace

std::optional<TcpSegment> TcpSegment::parse(Bytes bytes, std::span<const Bytes> more) {
  if (bytes.size() < kTcpHeaderBytes) return std::nullopt;
  const uint8_t* p = bytes.data();
  const size_t header = static_cast<size_t>(p[12] >> 4) * 4;
  if (header < kTcpHeaderBytes || header > bytes.size()) return std::nullopt;
  TcpSegment segment;
  segment.from_port = load_be16(p);
  segment.to_port = load_be16(p + 2);
  segment.sequence = load_be32(p + 4);
  segment.acknowledgment = load_be32(p + 8);
  segment.flags = p[13] & 0x3f;
  segment.window = load_be16(p + 14);
  take_options(segment, bytes.subspan(kTcpHeaderBytes, header - kTcpHeaderBytes));
  segment.payload = bytes.subspan(header);
  segment.more = more;
  segment.payload_size = segment.payload.size();
  for (const Bytes piece : more) segment.payload_size += piece.size();
  // More than one IP packet, or many that a device merged, can hold.
  if (segment.payload_size > (size_t{1} << 20)) return std::nullopt;
  return segment;
}

size_t TcpSegment::header_size() const {
  size_t size = kTcpHeaderBytes;
  if (mss != 0) size += 4;
  if (window_shift >= 0) size += 4;
  if (has_timestamps) size += 12;
  if (sack_permitted) size += has_timestamps ? 0 : 4;  // takes the place of the fillers
  if (sack_count > 0) size += 4 + size_t{8} * sack_count;
  return size;
}

size_t TcpSegment::write_header(MutableBytes out) const {
  uint8_t* p = out.data();
  store_be16(p, from_port);
  store_be16(p + 2, to_port);
  store_be32(p + 4, sequence);
  store_be32(p + 8, acknowledgment);
  p[13] = flags;
  store_be16(p + 14, window);
  store_be32(p + 16, 0);
  uint8_t* at = p + kTcpHeaderBytes;
  if (mss != 0) {
    store_be32(at, 0x02040000u | mss);
    at += 4;
  }
  if (sack_permitted) {
    store_be32(at, has_timestamps ? 0x0402080a : 0x01010402);
    at += 4;
  } else if (has_timestamps) {
    store_be32(at, 0x0101080a);
    at += 4;
  }
  if (has_timestamps) {
    store_be32(at, timestamp);
    store_be32(at + 4, timestamp_echo);
    at += 8;
  }
  if (window_shift >= 0) {
    store_be32(at, 0x01030300u | static_cast<uint32_t>(window_shift));
    at += 4;
  }
  if (sack_count > 0) {
    store_be32(at, 0x01010500u | (2u + 8u * sack_count));
    at += 4;
    for (size_t i = 0; i < sack_count; ++i, at += 8) {
      store_be32(at, sacks[i].begin);
      store_be32(at + 4, sacks[i].end);
    }
  }
  const auto size = static_cast<size_t>(at - p);
  p[12] = static_cast<uint8_t>(size / 4 << 4);
  return size;
}

}  // namespace sluice
