// haproxy's proxy-protocol.txt, section 2.2.
#include "control/proxy_header.h"

#include <algorithm>

namespace sluice {
namespace {

constexpr size_t kFixedPart = 16;
constexpr std::array<uint8_t, 12> kSignature{0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
// Version in the upper half, command in the lower.
constexpr uint8_t kLocal = 0x20;
constexpr uint8_t kProxy = 0x21;
// Family in the upper half, transport in the lower: streams over IPv4 and IPv6.
constexpr uint8_t kTcp4 = 0x11;
constexpr uint8_t kTcp6 = 0x21;
constexpr size_t kBlock4 = 12;
constexpr size_t kBlock6 = 36;
// An attribute is a type, a length and that many bytes.
constexpr size_t kAttributeHead = 3;

uint16_t load_be16(const uint8_t* p) { return static_cast<uint16_t>(p[0] << 8 | p[1]); }

}  // namespace

MutableBytes ProxyHeaderReader::wanted() {
  if (complete_) return {};
  return {bytes_.data() + have_, size_ - have_};
}

Result<void> ProxyHeaderReader::take(size_t bytes) {
  if (complete_ || bytes > size_ - have_) return fail(ErrorCode::malformed_message);
  have_ += bytes;
  // What is wrong from its first bytes on need not be waited for.
  const size_t looked_at = std::min(have_, kSignature.size());
  if (!std::equal(kSignature.begin(), kSignature.begin() + looked_at, bytes_.begin()))
    return fail(ErrorCode::malformed_message);
  if (have_ < size_) return {};
  if (size_ == kFixedPart) {
    if (auto fixed = take_fixed_part(); !fixed) return fixed;
    if (have_ < size_) return {};
  }
  complete_ = true;
  return take_addresses();
}

Result<void> ProxyHeaderReader::take_fixed_part() {
  const uint8_t command = bytes_[12];
  const uint8_t family = bytes_[13];
  const size_t length = load_be16(bytes_.data() + 14);
  if (command != kLocal && command != kProxy) return fail(ErrorCode::malformed_message);
  if (length > kMaxProxyHeader - kFixedPart) return fail(ErrorCode::malformed_message);
  // A stranger whose address the proxy does not say could not be counted.
  const bool known = family == kTcp4 || family == kTcp6;
  if (command == kProxy && (!known || length < (family == kTcp4 ? kBlock4 : kBlock6)))
    return fail(ErrorCode::malformed_message);
  size_ = kFixedPart + length;
  return {};
}

Result<void> ProxyHeaderReader::take_addresses() {
  // Section 2.2: with LOCAL the rest is to be passed over, whatever it says.
  if (bytes_[12] == kLocal) return {};
  const bool v4 = bytes_[13] == kTcp4;
  const uint8_t* block = bytes_.data() + kFixedPart;
  const size_t octets = v4 ? 4 : 16;
  const uint8_t* ports = block + 2 * octets;
  ends_ = ProxiedEnds{Address::of(Bytes(block, octets)), load_be16(ports), Address::of(Bytes(block + octets, octets)),
                      load_be16(ports + 2)};
  Bytes attributes(ports + 4, bytes_.data() + size_);
  while (!attributes.empty()) {
    if (attributes.size() < kAttributeHead) return fail(ErrorCode::malformed_message);
    const size_t length = kAttributeHead + load_be16(attributes.data() + 1);
    if (length > attributes.size()) return fail(ErrorCode::malformed_message);
    attributes = attributes.subspan(length);
  }
  return {};
}

}  // namespace sluice
