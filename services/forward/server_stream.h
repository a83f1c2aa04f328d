// ServerStream: a stream of a server's connection, which is closed when nothing has moved on it for too long.
#pragma once

#include "services/connection/idle_clock.h"
#include "services/forward/stream_service.h"

namespace sluice {

class ServerStream : public StreamService, private IdleWatched {
 public:
  ServerStream(ConnectionServices& connection, StreamCounts& counts, StreamEnds ends = {})
      : StreamService(counts, std::move(ends)), connection_(connection) {
    if (watched()) connection_.part<IdleClock>().join(*this);
  }
  ~ServerStream() override {
    if (watched()) connection_.part<IdleClock>().leave(*this);
  }

 private:
  uint64_t limit() const { return connection_.settings().idle_channel_ns; }
  bool watched() const { return connection_.settings().watches_idleness(); }
  bool on_idle_look(uint64_t now_ns) override {
    // What is being connected is the broker's to give up.
    if (!joined() || moved() != moved_ || since_ns_ == 0) {
      moved_ = moved();
      since_ns_ = now_ns;
      return true;
    }
    if (limit() != 0 && now_ns - since_ns_ >= limit()) abandon();
    return false;
  }

  ConnectionServices& connection_;
  uint64_t moved_ = 0;
  uint64_t since_ns_ = 0;
};

}  // namespace sluice
