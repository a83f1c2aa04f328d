// IdleClock: tells a connection's channels, now and then, to look whether anything moved on them; where nothing did on
// any of them for too long, the connection is ended.
//
// Turns come when something moves, so a channel where nothing does needs somebody to wake it. One timer a connection.
#pragma once

#include <set>

#include "services/connection/connection_services.h"

namespace sluice {

class IdleWatched {
 public:
  virtual ~IdleWatched() = default;
  // Whether anything moved since the last look. May leave the clock meanwhile, itself and nobody else.
  virtual bool on_idle_look(uint64_t now_ns) = 0;
};

class IdleClock final : public ConnectionPart, public Watcher {
 public:
  static constexpr std::string_view kName = "idle clock";

  explicit IdleClock(ConnectionServices& connection);
  ~IdleClock() override;

  // Looks come four times in the time after which something is idle.
  void join(IdleWatched& watched) { watched_.insert(&watched); }
  void leave(IdleWatched& watched) { watched_.erase(&watched); }
  void on_ready(uint32_t events) override;

 private:
  ConnectionServices& connection_;
  UniqueFd timer_;
  std::set<IdleWatched*> watched_;
  uint64_t moved_ns_;
};

}  // namespace sluice
