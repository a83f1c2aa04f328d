// Who gets a connection's channel messages, in the worker, and what he may do to his session.
#pragma once

#include <span>

#include "dataplane/channel.h"
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
  virtual void tell_control(SinkNote&& note) = 0;
  virtual bool watch(int descriptor, Watcher& watcher) = 0;
  virtual void unwatch(int descriptor) = 0;
  // Another turn soon, though nothing moves.
  virtual void ask_turn() = 0;
};

class ConnectionSink {
 public:
  virtual ~ConnectionSink() = default;
  // Once, before anything else; the sender outlives the sink.
  virtual void attach(ChannelSender&) {}
  // Messages 90..100, in order. Returns how many are done with; the rest is shown again later.
  virtual size_t on_messages(std::span<const Message> messages, ChannelSender& sender) = 0;
  // Each turn in which there may be room to send, or a watched descriptor was ready.
  virtual void on_turn(ChannelSender& sender) = 0;
  virtual void on_note(SinkNote&&) {}
  // A global request, which control answers: what follows it may come before control has seen it. Maybe shown twice.
  virtual void hear_global_request(Bytes) {}
};

}  // namespace sluice
