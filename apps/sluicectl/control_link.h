// ControlLink: sluicectl's end of the server's socket: a request out, its reply in, and events in between.
#pragma once

#include <functional>
#include <string>

#include "base/unique_fd.h"
#include "control/management/management_protocol.h"

namespace sluice::ctl {

class ControlLink {
 public:
  // Where the server is told to be, with its greeting's prompt. `ticket`: of a session, or empty.
  static ResultOrText<ControlLink> connect(const std::string& path, const std::string& ticket, bool json);

  ResultOrText<ShellReply> line(const std::string& text);
  ResultOrText<std::vector<Candidate>> complete(const std::string& text);
  const std::string& prompt() const { return prompt_; }
  const std::string& path() const { return path_; }
  // Readable when there may be events; then take_events() hands each on. False: the server is gone.
  int descriptor() const { return socket_.get(); }
  bool take_events();
  void on_event(std::function<void(const std::string&)> event) { event_ = std::move(event); }

 private:
  explicit ControlLink(UniqueFd socket) : socket_(std::move(socket)) {}
  ResultOrText<ManagementReply> exchange(const ManagementRequest& request);
  ResultOrText<void> send(Bytes frame);
  ResultOrText<ManagementReply> next_reply();
  bool read_some(bool wait);

  UniqueFd socket_;
  FrameBuffer in_{kMaxManagementReply};
  std::string prompt_, path_;
  std::function<void(const std::string&)> event_ = [](const std::string&) {};
};

}  // namespace sluice::ctl
