// From a destination to a server whose folder is known.
#include "apps/sluice/sftp/sftp_connection.h"

#include <signal.h>

#include <cstdio>

#include "apps/sluice/client_log.h"
#include "apps/sluice/program_stream.h"
#include "apps/terminal/interrupt.h"

namespace sluice {

bool begin_log(const ClientOptions& options) {
  for (const std::string& warning : options.warnings) complain(warning);
  return set_client_log(options.verbosity);
}

std::unique_ptr<SftpConnection> SftpConnection::open(const ClientInvocation& invocation,
                                                     const FileProgramFlags& flags) {
  std::unique_ptr<SftpConnection> out(new SftpConnection);
  const auto words = flags.program(invocation);
  if (!words) return complain(words.error()), nullptr;
  const bool made = words->empty() ? out->connect(invocation, flags.start) : out->start_instead(*words, flags.start);
  return made && out->find_folder() ? std::move(out) : nullptr;
}

bool SftpConnection::connect(const ClientInvocation& invocation, const SftpStart& start) {
  auto options = read_client_options(invocation);
  if (!options) return complain(options.error()), false;
  if (!begin_log(*options)) return false;
  host_ = options->original_host;
  run_ = std::make_unique<ClientRun>(std::move(*options));
  LinkWishes wishes{.opener = client_->make_opener(start)};
  wishes.channels.budget = &run_->windows();
  wishes.channels.least_window = kFileWindow;
  const auto link = run_->connect(std::move(wishes));
  if (!link) return std::fputs(explain(link.error(), run_->options()).c_str(), stderr), false;
  link_ = *link;
  return true;
}

bool SftpConnection::start_instead(const std::vector<std::string>& words, const SftpStart& start) {
  ::signal(SIGPIPE, SIG_IGN);
  auto started = start_program(words);
  if (!started) return complain(words.front() + ": " + started.error()), false;
  host_ = words.front();
  program_ = started->child;
  channel_ = std::make_unique<StreamChannel>(client_->make_service(start), std::move(started->stream));
  return true;
}

bool SftpConnection::find_folder() {
  // Asked before the server has told its version, so that both come at once.
  const auto folder = client_->ask(sftp_call::realpath(".")).and_then(sftp_answer::path);
  auto facts = client_->wait_ready();
  if (!facts) return complain(facts.error().text), false;
  if (link_) facts->learn_software(run_->peer_software(*link_));
  files_ = std::make_unique<RemoteFiles>(client_, std::move(*facts), interrupted);
  if (!folder) {
    complain("Couldn't find out where we are at the server: " + folder.error().text);
    return false;
  }
  files_->enter(*folder);
  return true;
}

std::string SftpConnection::why_lost() { return link_ ? run_->why_ended(*link_) : std::string(); }

SftpConnection::~SftpConnection() {
  client_->close();
  if (channel_) {
    channel_.reset();
    status_of_program(program_);
  }
  if (!link_) return;
  run_->close(*link_);
  run_->wait_ended(*link_);
}

}  // namespace sluice
