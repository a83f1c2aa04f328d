// ExecChannel: a command at the server with its input and output as a socket here, for a thread that may wait.
#pragma once

#include "apps/sluice/client_run.h"
#include "apps/sluice/scp/exec_stream.h"
#include "apps/sluice/sftp/file_program_flags.h"

namespace sluice {

class ExecChannel {
 public:
  // Null: why was told on standard error.
  static std::unique_ptr<ExecChannel> open(const ClientInvocation& invocation, const FileProgramFlags& flags,
                                           const std::string& command);
  ~ExecChannel();
  ExecChannel(const ExecChannel&) = delete;
  ExecChannel& operator=(const ExecChannel&) = delete;

  int socket() const { return socket_.get(); }
  // Ends our side and waits: the command's status, 255 where there is none.
  int finish();

 private:
  ExecChannel() = default;
  bool connect(const ClientInvocation& invocation, const std::string& command);

  std::shared_ptr<ExecEnd> end_ = std::make_shared<ExecEnd>();
  UniqueFd socket_;
  std::optional<SessionId> link_;
  std::unique_ptr<ClientRun> run_;
  pid_t program_ = -1;  // which speaks for us
};

}  // namespace sluice
