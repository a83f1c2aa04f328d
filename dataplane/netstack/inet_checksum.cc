// Summing in wide words of the machine's own order: the sum does not mind until it is folded.
#include "dataplane/netstack/inet_checksum.h"

namespace sluice {
namespace {

uint16_t fold(uint64_t sum) {
  sum = (sum >> 32) + (sum & 0xffffffff);
  sum = (sum >> 32) + (sum & 0xffffffff);
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  return static_cast<uint16_t>(sum);
}

}  // namespace

InetChecksum& InetChecksum::add(Bytes bytes) {
  const uint8_t* at = bytes.data();
  size_t left = bytes.size();
  // Independent sums of 32-bit words, which the compiler keeps in vector registers; no carry is lost below 16 GiB.
  std::array<uint64_t, 8> lanes{};
  for (; left >= 32; at += 32, left -= 32) {
    std::array<uint32_t, 8> words;
    std::memcpy(words.data(), at, 32);
    for (size_t i = 0; i < 8; ++i) lanes[i] += words[i];
  }
  uint64_t sum = 0;
  for (const uint64_t lane : lanes) sum += lane;
  for (; left >= 4; at += 4, left -= 4) {
    uint32_t word;
    std::memcpy(&word, at, 4);
    sum += word;
  }
  for (; left >= 2; at += 2, left -= 2) {
    uint16_t word;
    std::memcpy(&word, at, 2);
    sum += word;
  }
  if (left == 1) sum += *at;
  const uint16_t native = fold(sum);
  // Network order, and swapped again behind an odd number of bytes.
  const uint16_t ordered = __builtin_bswap16(native);
  sum_ += odd_ ? __builtin_bswap16(ordered) : ordered;
  odd_ ^= bytes.size() % 2 == 1;
  return *this;
}

InetChecksum& InetChecksum::add_pseudo_header(const IpAddress& from, const IpAddress& to, uint8_t protocol,
                                              size_t length) {
  const size_t words = from.size() / 4;
  add_header(from.bytes.data(), words).add_header(to.bytes.data(), words);
  return add_u32(protocol).add_u32(static_cast<uint32_t>(length));
}

uint16_t InetChecksum::folded() const { return fold(sum_); }

}  // namespace sluice
