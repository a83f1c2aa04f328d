// ListenPlaces: where a configuration wants sluiced to listen, and the sockets on these places.
//
// The monitor keeps them: a place that a reload leaves as it is keeps its socket, backlog included, and a low port is
// there again when the server is switched on again. Those that systemd gave are used as they are, for good.
#pragma once

#include <utility>
#include <vector>

#include "control/config/server_config.h"
#include "control/listening_sockets.h"

namespace sluice {

class ListenPlaces {
 public:
  // True: there are other sockets than before, or others to be marked. On failure all stays as it was.
  ResultOrText<bool> open(const ServerConfig& config);
  // For the process that accepts; the sockets stay open here as well.
  std::vector<int> descriptors() const;
  void close() { open_.clear(); }

 private:
  struct Open {
    ListenPlace place;
    ListeningSocket socket;
  };
  std::vector<Open> open_;
  std::vector<ListenPlace> served_;  // empty where the server is off
  SocketMarks marks_;
  bool given_ = false;
  bool first_ = true;
};

}  // namespace sluice
