// StreamService: a channel joined to a connected socket or a pair of descriptors; both directions move without waiting
// and end each by itself.
//
// What is read goes straight into a record; what was received is written from where it lies, and what the descriptor
// does not take is kept: at most the channel's window, since no more of it is given. The channel is closed when both
// directions have ended, or the descriptor is broken. When the peer closes, what is kept is still written.
#pragma once

#include "base/unique_fd.h"
#include "dataplane/channel.h"
#include "services/forward/backlog.h"

namespace sluice {

// Non-blocking, or such as never make anybody wait.
struct StreamEnds {
  StreamEnds() = default;
  explicit StreamEnds(UniqueFd socket) : input(std::move(socket)) {}
  StreamEnds(UniqueFd in, UniqueFd out) : input(std::move(in)), output(std::move(out)) {}

  UniqueFd input;   // read from
  UniqueFd output;  // none: a socket, written to as well
};

// Of all streams of one kind in a connection.
struct StreamCounts {
  size_t open = 0;
  uint64_t opened = 0;
  uint64_t received = 0;  // bytes from the peer
  uint64_t sent = 0;
};

class StreamService : public Service, private Watcher {
 public:
  // The counts outlive the service.
  explicit StreamService(StreamCounts& counts, StreamEnds ends = {});
  ~StreamService() override;
  StreamService(const StreamService&) = delete;
  StreamService& operator=(const StreamService&) = delete;

  void attach(Channel& channel) override;
  void on_data(std::span<const MutableBytes> pieces) override;
  void on_stderr(Bytes data) override { channel_->consumed(data.size()); }
  RequestAnswer on_request(const ChannelRequest&) override { return RequestAnswer::failure; }
  void on_eof() override;
  void on_close() override;
  bool lingers() const override { return !backlog_.empty(); }
  void on_turn() override;

 protected:
  Channel& channel() { return *channel_; }
  // The ends, where they were not there from the beginning; once.
  void join(StreamEnds ends);
  bool joined() const { return joined_; }
  // Bytes, both ways.
  uint64_t moved() const { return moved_; }
  // Closes the channel, whatever is still to be said.
  void abandon();

 private:
  void on_ready(uint32_t events) override;
  void start();
  void pump_input();
  bool read_once();
  void write_backlog();
  void end_output();
  void break_output();
  void settle();
  void drop();
  int output() const { return ends_.output ? ends_.output.get() : ends_.input.get(); }

  StreamCounts& counts_;
  StreamEnds ends_;
  Channel* channel_ = nullptr;
  Backlog backlog_;
  size_t read_size_;
  uint64_t moved_ = 0;
  bool joined_ = false;
  bool readable_ = true;  // as far as we know
  bool hung_up_ = false;  // the end is announced: read until it is there
  bool input_ended_ = false;
  bool output_ended_ = false;
  bool peer_ended_ = false;
};

}  // namespace sluice
