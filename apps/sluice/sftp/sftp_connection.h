// SftpConnection: a host that was logged in to and its SFTP server ready, for programs that copy files.
#pragma once

#include "apps/sluice/client_run.h"
#include "apps/sluice/sftp/file_program_flags.h"
#include "apps/sluice/sftp/remote_files.h"
#include "services/sftp_client/stream_channel.h"

namespace sluice {

class SftpConnection {
 public:
  // Null: why was told on standard error.
  static std::unique_ptr<SftpConnection> open(const ClientInvocation& invocation, const FileProgramFlags& flags);
  ~SftpConnection();
  SftpConnection(const SftpConnection&) = delete;
  SftpConnection& operator=(const SftpConnection&) = delete;

  RemoteFiles& files() { return *files_; }
  std::shared_ptr<SftpClient> client() const { return client_; }
  // As the user named it.
  const std::string& host() const { return host_; }
  // Once the client is gone: what the transport says of it; empty: nothing.
  std::string why_lost();

 private:
  SftpConnection() = default;
  bool connect(const ClientInvocation& invocation, const SftpStart& start);
  bool start_instead(const std::vector<std::string>& words, const SftpStart& start);
  bool find_folder();

  std::string host_;
  std::shared_ptr<SftpClient> client_ = SftpClient::create();
  std::unique_ptr<RemoteFiles> files_;
  std::optional<SessionId> link_;
  std::unique_ptr<ClientRun> run_;
  // Where a program speaks for us.
  std::unique_ptr<StreamChannel> channel_;
  pid_t program_ = -1;
};

// Shows what is to be warned of, and logs as the options say. False: told, exit.
bool begin_log(const ClientOptions& options);

}  // namespace sluice
