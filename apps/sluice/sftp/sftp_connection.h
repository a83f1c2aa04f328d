// SftpConnection: a host that was logged in to and its SFTP server ready, for programs that copy files.
#pragma once

#include "apps/sluice/client_run.h"
#include "apps/sluice/sftp/remote_files.h"

namespace sluice {

class SftpConnection {
 public:
  // Null: why was told on standard error.
  static std::unique_ptr<SftpConnection> open(const ClientInvocation& invocation, const SftpStart& start);
  ~SftpConnection();
  SftpConnection(const SftpConnection&) = delete;
  SftpConnection& operator=(const SftpConnection&) = delete;

  RemoteFiles& files() { return *files_; }
  std::shared_ptr<SftpClient> client() const { return client_; }
  // As the user named it.
  const std::string& host() const { return run_.options().original_host; }
  // Once the client is gone: what the transport says of it; empty: nothing.
  std::string why_lost();

 private:
  explicit SftpConnection(ClientOptions options) : run_(std::move(options)) {}

  std::shared_ptr<SftpClient> client_ = SftpClient::create();
  std::unique_ptr<RemoteFiles> files_;
  std::optional<SessionId> link_;
  ClientRun run_;
};

// Shows what is to be warned of, and logs as the options say. False: told, exit.
bool begin_log(const ClientOptions& options);

}  // namespace sluice
