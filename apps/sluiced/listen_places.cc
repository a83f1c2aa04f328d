// Addresses times VRFs, and the sockets on them.
#include "apps/sluiced/listen_places.h"

#include <unistd.h>

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

ResultOrText<bool> ListenPlaces::open(const ServerConfig& config) {
  SocketMarks marks;
  marks.dscp = config.listen.dscp;
  marks.window_scale = config.listen.tcp_window_scale;
  if (std::exchange(first_, false)) {
    auto given = ListeningSocket::given(marks);
    if (!given) return fail(given.error());
    given_ = !given->empty();
    for (ListeningSocket& socket : *given) open_.push_back({{}, std::move(socket)});
  }
  std::vector<ListenPlace> wanted;
  if (config.enabled) wanted = given_ ? std::vector<ListenPlace>(open_.size()) : places_of(config);
  if (wanted == served_ && marks == marks_) return false;
  if (!given_) {
    std::vector<Open> opened;
    for (const ListenPlace& place : wanted) {
      const auto there =
          std::find_if(open_.begin(), open_.end(), [&](const Open& open) { return open.place == place; });
      auto socket = there == open_.end() ? ListeningSocket::open(place, marks)
                                         : ListeningSocket::adopt(::dup(there->socket.descriptor()), marks);
      if (!socket) return fail(socket.error());
      opened.push_back({place, std::move(*socket)});
    }
    open_ = std::move(opened);
  }
  served_ = std::move(wanted);
  marks_ = marks;
  return true;
}

std::vector<int> ListenPlaces::descriptors() const {
  std::vector<int> descriptors;
  if (served_.empty()) return descriptors;
  for (const Open& open : open_) descriptors.push_back(open.socket.descriptor());
  return descriptors;
}

}  // namespace sluice
