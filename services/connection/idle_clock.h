// IdleClock: tells a connection's channels, now and then, to look whether anything moved on them; and ends a session in
// which nothing moves at all.
//
// Turns come when something moves, so where nothing does somebody must be woken. One timer a connection for each.
#pragma once

#include <optional>
#include <set>

#include "services/connection/connection_services.h"
#include "services/connection/look_timer.h"

namespace sluice {

class IdleWatched {
 public:
  virtual ~IdleWatched() = default;
  // May leave the clock meanwhile, itself and nobody else.
  virtual void on_idle_look(uint64_t now_ns) = 0;
};

class IdleClock final : public ConnectionPart {
 public:
  static constexpr std::string_view kName = "idle clock";

  explicit IdleClock(ConnectionServices& connection);

  // Looks come four times in an idle_channel_ns.
  void join(IdleWatched& watched) { watched_.insert(&watched); }
  void leave(IdleWatched& watched) { watched_.erase(&watched); }

 private:
  void look_at_channels(uint64_t now_ns);
  void look_at_session(uint64_t now_ns);

  ConnectionServices& connection_;
  std::set<IdleWatched*> watched_;
  uint64_t moved_ = 0;     // of the host, at the last look
  uint64_t moved_ns_ = 0;  // when it was seen to have moved
  bool over_ = false;
  std::optional<LookTimer> channels_;
  std::optional<LookTimer> session_;
};

}  // namespace sluice
