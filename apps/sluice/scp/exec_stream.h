// ExecStream: a session channel that runs a command, joined to a socket; it ends with the command's status, not before.
#pragma once

#include <condition_variable>
#include <mutex>

#include "base/unique_fd.h"
#include "dataplane/channel.h"
#include "services/forward/backlog.h"

namespace sluice {

// What whoever started the command waits for.
struct ExecEnd {
  std::mutex lock;
  std::condition_variable changed;
  int status = 255;
  bool over = false;
};

class ExecStream final : public Service, private Watcher {
 public:
  // `socket` never makes anybody wait.
  ExecStream(std::string command, UniqueFd socket, std::shared_ptr<ExecEnd> end)
      : command_(std::move(command)), socket_(std::move(socket)), end_(std::move(end)) {}
  ~ExecStream() override;

  void attach(Channel& channel) override;
  void on_confirmed(Bytes) override;
  void on_refused(OpenFailure, std::string_view text) override;
  void on_data(std::span<const MutableBytes> pieces) override;
  void on_stderr(Bytes data) override;
  RequestAnswer on_request(const ChannelRequest& request) override;
  void on_reply(bool success) override;
  void on_eof() override;
  void on_close() override;
  bool lingers() const override { return !kept_.empty(); }
  void on_turn() override;

 private:
  void on_ready(uint32_t events) override;
  void write_kept();
  void end_output();

  const std::string command_;
  UniqueFd socket_;
  std::shared_ptr<ExecEnd> end_;
  Channel* channel_ = nullptr;
  Backlog kept_;
  std::string line_;  // of the command's standard error
  bool running_ = false, readable_ = true, input_ended_ = false, peer_ended_ = false, peer_closed_ = false,
       broken_ = false;
};

}  // namespace sluice
