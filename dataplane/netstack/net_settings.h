// What a port is told about its network: addresses, routes, sizes. All of it from configuration.
#pragma once

#include <array>
#include <vector>

#include "dataplane/netstack/ip_address.h"

namespace sluice {

using MacAddress = std::array<uint8_t, 6>;
inline constexpr MacAddress kBroadcastMac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

struct InterfaceAddress {
  IpAddress address;
  unsigned prefix = 24;

  // "192.0.2.1/24", "2001:db8::1/64"
  static std::optional<InterfaceAddress> parse(const std::string& text);
  std::string text() const { return address.text() + "/" + std::to_string(prefix); }
  bool operator==(const InterfaceAddress&) const = default;
};

// A prefix of 0 bits is the default route.
struct NetRoute {
  InterfaceAddress to;
  IpAddress gateway;
  bool operator==(const NetRoute&) const = default;
};

struct NetSettings {
  MacAddress mac{};
  std::vector<InterfaceAddress> addresses;
  std::vector<NetRoute> routes;
  size_t mtu = 1500;
  // Whether somebody else has our addresses is asked before they are used (RFC 5227, RFC 4862).
  bool ask_for_duplicates = true;
  // Of several layers on one port, which all hear the same questions, one answers them.
  bool answers = true;
};

}  // namespace sluice
