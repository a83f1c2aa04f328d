// SipHash-2-4 and what is made of it.
#include "dataplane/netstack/tcp_secrets.h"

#include <bit>

namespace sluice {
namespace {

// RFC 4987's usual choice: what the peers of the Internet announce. Rounded down to one of them.
constexpr std::array<uint16_t, 8> kCookieMss{216, 536, 1220, 1360, 1440, 1452, 1460, 8940};
// A cookie's clock: it is good for one to two of these.
constexpr uint64_t kCookieTickUs = 64'000'000;

uint64_t load_le64(const uint8_t* p) {
  uint64_t v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

struct Sip {
  uint64_t a, b, c, d;
  void round() {
    a += b, b = std::rotl(b, 13) ^ a, a = std::rotl(a, 32);
    c += d, d = std::rotl(d, 16) ^ c;
    a += d, d = std::rotl(d, 21) ^ a;
    c += b, b = std::rotl(b, 17) ^ c, c = std::rotl(c, 32);
  }
  void take(uint64_t word) {
    d ^= word;
    round();
    round();
    a ^= word;
  }
};

}  // namespace

uint64_t sip_hash(const std::array<uint8_t, 16>& key, Bytes bytes) {
  const uint64_t k0 = load_le64(key.data());
  const uint64_t k1 = load_le64(key.data() + 8);
  Sip sip{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
  uint64_t last = static_cast<uint64_t>(bytes.size()) << 56;
  while (bytes.size() >= 8) {
    sip.take(load_le64(bytes.data()));
    bytes = bytes.subspan(8);
  }
  for (size_t i = 0; i < bytes.size(); ++i) last |= static_cast<uint64_t>(bytes[i]) << (8 * i);
  sip.take(last);
  sip.c ^= 0xff;
  for (int i = 0; i < 4; ++i) sip.round();
  return sip.a ^ sip.b ^ sip.c ^ sip.d;
}

uint64_t TcpSecrets::hash(uint8_t purpose, const IpEndpoints& endpoints, uint64_t extra) const {
  std::array<uint8_t, 48> text{};
  const size_t size = endpoints.remote.address.size();
  std::memcpy(text.data(), endpoints.local.address.bytes.data(), size);
  std::memcpy(text.data() + size, endpoints.remote.address.bytes.data(), size);
  uint8_t* at = text.data() + 2 * size;
  std::memcpy(at, &endpoints.local.port, 2);
  std::memcpy(at + 2, &endpoints.remote.port, 2);
  at[4] = purpose;
  std::memcpy(at + 5, &extra, 7);
  return sip_hash(key_, {text.data(), 2 * size + 12});
}

uint32_t TcpSecrets::table_hash(const IpEndpoints& endpoints) const {
  return static_cast<uint32_t>(hash(1, endpoints, 0));
}

uint32_t TcpSecrets::initial_sequence(const IpEndpoints& endpoints, uint64_t now_us) const {
  return static_cast<uint32_t>(hash(2, endpoints, 0)) + static_cast<uint32_t>(now_us / 4);
}

uint32_t TcpSecrets::timestamp_offset(const IpEndpoints& endpoints) const {
  return static_cast<uint32_t>(hash(3, endpoints, 0));
}

uint32_t TcpSecrets::port_offset(const IpEndpoints& endpoints) const {
  return static_cast<uint32_t>(hash(4, endpoints, 0));
}

uint32_t TcpSecrets::whim(uint64_t now_us) const { return static_cast<uint32_t>(hash(5, {}, now_us)); }

// 27 bits of hash, 2 of the clock, 3 of the MSS.
uint32_t TcpSecrets::cookie_hash(const IpEndpoints& endpoints, uint32_t peer_sequence, uint64_t tick,
                                 size_t mss_index) const {
  const uint64_t extra = peer_sequence | (tick << 32 & 0xffffff00000000);
  return static_cast<uint32_t>(hash(static_cast<uint8_t>(16 + mss_index), endpoints, extra)) & ~31u;
}

uint32_t TcpSecrets::cookie(const IpEndpoints& endpoints, uint32_t peer_sequence, uint16_t mss, uint64_t now_us) const {
  size_t index = 0;
  while (index + 1 < kCookieMss.size() && kCookieMss[index + 1] <= mss) ++index;
  const uint64_t tick = now_us / kCookieTickUs;
  return cookie_hash(endpoints, peer_sequence, tick, index) | static_cast<uint32_t>((tick & 3) << 3 | index);
}

std::optional<uint16_t> TcpSecrets::open_cookie(const IpEndpoints& endpoints, uint32_t peer_sequence, uint32_t cookie,
                                                uint64_t now_us) const {
  const size_t index = cookie & 7;
  const uint64_t now = now_us / kCookieTickUs;
  const uint64_t age = (now - (cookie >> 3)) & 3;
  if (age > 1 || age > now) return std::nullopt;
  if (cookie_hash(endpoints, peer_sequence, now - age, index) != (cookie & ~31u)) return std::nullopt;
  return kCookieMss[index];
}

uint32_t stamp_with_options(uint32_t timestamp, int window_shift, bool sack) {
  const uint32_t options = (window_shift < 0 ? 15u : static_cast<uint32_t>(window_shift)) | (sack ? 16u : 0u);
  const uint32_t stamped = (timestamp & ~((1u << kCookieStampBits) - 1)) | options;
  // Never later than the time: the connection's next one may not be earlier.
  return static_cast<int32_t>(stamped - timestamp) > 0 ? stamped - (1u << kCookieStampBits) : stamped;
}

StampedOptions options_of_stamp(uint32_t timestamp) {
  const uint32_t shift = timestamp & 15;
  return {shift == 15 ? -1 : static_cast<int>(shift), (timestamp & 16) != 0};
}

}  // namespace sluice
