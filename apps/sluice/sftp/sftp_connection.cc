// From a destination to a server whose folder is known.
#include "apps/sluice/sftp/sftp_connection.h"

#include <cstdio>

#include "apps/sluice/client_log.h"
#include "apps/terminal/interrupt.h"

namespace sluice {

bool begin_log(const ClientOptions& options) {
  for (const std::string& warning : options.warnings) complain(warning);
  return set_client_log(options.verbosity);
}

std::unique_ptr<SftpConnection> SftpConnection::open(const ClientInvocation& invocation, const SftpStart& start) {
  auto options = read_client_options(invocation);
  if (!options) return complain(options.error()), nullptr;
  if (!begin_log(*options)) return nullptr;
  std::unique_ptr<SftpConnection> out(new SftpConnection(std::move(*options)));
  LinkWishes wishes{.opener = out->client_->make_opener(start)};
  wishes.channels.budget = &out->run_.windows();
  const auto link = out->run_.connect(std::move(wishes));
  if (!link) return std::fputs(explain(link.error(), out->run_.options()).c_str(), stderr), nullptr;
  out->link_ = *link;
  auto facts = out->client_->wait_ready();
  if (!facts) {
    complain(facts.error().text);
    return nullptr;
  }
  out->files_ = std::make_unique<RemoteFiles>(out->client_, std::move(*facts), interrupted);
  const auto folder = out->files_->realpath(".");
  if (!folder) return complain("Couldn't find out where we are at the server: " + folder.error().text), nullptr;
  out->files_->enter(*folder);
  return out;
}

std::string SftpConnection::why_lost() { return link_ ? run_.why_ended(*link_) : std::string(); }

SftpConnection::~SftpConnection() {
  client_->close();
  if (!link_) return;
  run_.close(*link_);
  run_.wait_ended(*link_);
}

}  // namespace sluice
