// ProgramService: a program of the user's behind a channel: its output and input pumped in the worker, its end told.
//
// The broker starts it and passes the ends of its pipes, or of its terminal, here. Output is read straight into
// records, input written straight from them; what the program does not take yet is kept, and its window not given back.
// As with sshd the end is told when all that was written before it has been sent, and the channel closes when nobody
// holds the output open any more.
#pragma once

#include "services/connection/connection_services.h"
#include "services/shell/byte_queue.h"

namespace sluice {

class ProgramService final : public Service {
 public:
  // Its request is answered with `later`: answer() on the channel, once the broker has. It was refused: `refused` is
  // told too, then the service does nothing any more.
  ProgramService(ConnectionServices& connection, SpawnProgram spawn, std::function<void()> refused);
  ~ProgramService() override;

  void attach(Channel& channel) override;
  void on_data(std::span<const MutableBytes> pieces) override;
  void on_stderr(Bytes data) override { channel_->consumed(data.size()); }
  RequestAnswer on_request(const ChannelRequest& request) override;
  void on_eof() override;
  void on_close() override { release(); }
  void on_turn() override;

 private:
  // One descriptor of the program's, with what the kernel last said of it.
  struct Stream final : Watcher {
    void on_ready(uint32_t events) override;
    void close(Channel& channel);
    UniqueFd descriptor;
    bool readable = false;
    bool writable = true;
    bool hung_up = false;
  };

  void take_spawned(BrokerReceived&& received);
  void take_exit(const ChildExited* exited);
  bool take_streams(std::vector<UniqueFd> descriptors);
  void resize(const TerminalSize& size);
  void refuse(std::string_view why);
  Stream& input() { return terminal_ ? output_ : input_; }
  // Returns how much of it was written; the rest must be kept.
  size_t write(std::span<const MutableBytes> pieces);
  bool after_write(ssize_t n, size_t wanted);
  void write_kept();
  void end_input(bool broken);
  bool pump(Stream& stream, bool is_stderr);
  void tell_exit();
  void close_when_done();
  void release();

  ConnectionServices& connection_;
  SpawnProgram spawn_;
  std::function<void()> refused_;
  Channel* channel_ = nullptr;
  bool terminal_ = false;
  bool answered_ = false;
  bool running_ = false;
  bool input_over_ = false;  // nobody reads it: what comes is dropped
  bool eof_received_ = false;
  bool output_over_ = false;  // both of them
  bool exit_known_ = false, exit_told_ = false;
  bool closed_ = false;
  std::optional<ChildExited> exited_;
  std::optional<TerminalSize> late_size_;  // changed while it was being started
  unsigned resizing_ = 0;                  // changes that the broker has not made yet
  uint32_t child_ = 0;
  Stream input_, output_, errors_;  // a terminal: all of it is output_
  ByteQueue kept_;
  BrokerCaller caller_;
};

}  // namespace sluice
