// Texts and prefixes of addresses.
#include "dataplane/netstack/ip_address.h"

#include <arpa/inet.h>

namespace sluice {

std::optional<IpAddress> IpAddress::parse(const std::string& text) {
  IpAddress out;
  out.v6 = text.find(':') != std::string::npos;
  if (::inet_pton(out.v6 ? AF_INET6 : AF_INET, text.c_str(), out.bytes.data()) != 1) return std::nullopt;
  return out;
}

std::string IpAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> out{};
  return ::inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), out.data(), out.size()) ? out.data() : "?";
}

bool IpAddress::is_loopback() const {
  if (!v6) return bytes[0] == 127;
  IpAddress one{{}, true};
  one.bytes[15] = 1;
  return *this == one;
}

bool IpAddress::in(const IpAddress& network, unsigned bits) const {
  if (v6 != network.v6 || bits > size() * 8) return false;
  if (*this == network) return true;
  const size_t whole = bits / 8;
  if (std::memcmp(bytes.data(), network.bytes.data(), whole) != 0) return false;
  if (bits % 8 == 0) return true;
  const auto mask = static_cast<uint8_t>(0xff00u >> (bits % 8));
  return ((bytes[whole] ^ network.bytes[whole]) & mask) == 0;
}

}  // namespace sluice
