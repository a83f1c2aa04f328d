// Who gets a connection's channel messages, in the worker: services implement it, dataplane calls it once a batch.
#pragma once

#include <span>

#include "dataplane/receive_path.h"
#include "dataplane/send_path.h"

namespace sluice {

// What a sink may do to its session.
class ChannelSender {
 public:
  virtual ~ChannelSender() = default;
  // Nothing while keys are exchanged or there is no room: the sink is called again when that changes.
  virtual std::optional<Draft> reserve(size_t payload_bytes) = 0;
  virtual void finish(const Draft& draft, size_t payload_bytes) = 0;
  virtual void fail(ErrorCode error) = 0;
};

class ConnectionSink {
 public:
  virtual ~ConnectionSink() = default;
  // Messages 90..100, in order. Returns how many are done with; the rest is shown again later.
  virtual size_t on_messages(std::span<const Message> messages, ChannelSender& sender) = 0;
  // Each turn in which there may be room to send.
  virtual void on_turn(ChannelSender& sender) = 0;
};

}  // namespace sluice
