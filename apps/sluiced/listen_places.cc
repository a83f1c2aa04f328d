// Addresses times VRFs, and the sockets on them.
#include "apps/sluiced/listen_places.h"

#include <algorithm>

namespace sluice {
namespace {

// Each address in each VRF; without any VRF in the default table.
std::vector<ListenPlace> places_of(const ServerConfig& config) {
  std::vector<ListenPlace> places;
  for (const BindAddress& address : config.listen.addresses)
    places.push_back({address.address, static_cast<uint16_t>(address.port == 0 ? config.listen.port : address.port)});
  if (places.empty()) places.push_back({"", static_cast<uint16_t>(config.listen.port), false});
  if (config.subsystems.contains("netconf")) {
    std::vector<ListenPlace> netconf = places;
    for (ListenPlace& place : netconf) place.port = static_cast<uint16_t>(config.listen.netconf_port);
    places.insert(places.end(), netconf.begin(), netconf.end());
  }
  if (config.vrfs.empty()) return places;
  std::vector<ListenPlace> of_vrfs;
  for (const auto& [vrf, settings] : config.vrfs) {
    for (ListenPlace place : places) {
      if (vrf != kDefaultVrf) place.device = vrf;
      of_vrfs.push_back(std::move(place));
    }
  }
  return of_vrfs;
}

}  // namespace

ResultOrText<std::vector<ListeningSocket>> open_sockets(const ServerConfig& config) {
  if (!config.enabled) return std::vector<ListeningSocket>();
  SocketMarks marks;
  marks.dscp = config.listen.dscp;
  marks.window_scale = config.listen.tcp_window_scale;
  auto given = ListeningSocket::given(marks);
  if (!given || !given->empty()) return given;
  std::vector<ListeningSocket> sockets;
  for (const ListenPlace& address : places_of(config)) {
    auto socket = ListeningSocket::open(address, marks);
    if (!socket) return fail(socket.error());
    sockets.push_back(std::move(*socket));
  }
  return sockets;
}

bool needs_other_sockets(const ServerConfig& now, const ServerConfig& before) {
  if (now.listen != before.listen || now.enabled != before.enabled) return true;
  if (now.subsystems.contains("netconf") != before.subsystems.contains("netconf")) return true;
  return !std::equal(now.vrfs.begin(), now.vrfs.end(), before.vrfs.begin(), before.vrfs.end(),
                     [](const auto& a, const auto& b) { return a.first == b.first; });
}

}  // namespace sluice
