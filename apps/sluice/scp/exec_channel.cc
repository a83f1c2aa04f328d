// The connection of an ExecChannel.
#include "apps/sluice/scp/exec_channel.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "apps/sluice/client_log.h"
#include "apps/sluice/program_stream.h"
#include "apps/sluice/sftp/sftp_connection.h"
#include "services/client_session/single_channel.h"

namespace sluice {

std::unique_ptr<ExecChannel> ExecChannel::open(const ClientInvocation& invocation, const FileProgramFlags& flags,
                                               const std::string& command) {
  std::unique_ptr<ExecChannel> out(new ExecChannel);
  const auto words = flags.program(invocation, command);
  if (!words) return complain(words.error()), nullptr;
  if (words->empty()) return out->connect(invocation, command) ? std::move(out) : nullptr;
  auto started = start_program(*words);
  if (!started) return complain(words->front() + ": " + started.error()), nullptr;
  out->socket_ = std::move(started->stream);
  out->program_ = started->child;
  return out;
}

bool ExecChannel::connect(const ClientInvocation& invocation, const std::string& command) {
  auto options = read_client_options(invocation);
  if (!options) return complain(options.error()), false;
  if (!begin_log(*options)) return false;
  run_ = std::make_unique<ClientRun>(std::move(*options));
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return complain("no more descriptors"), false;
  socket_ = UniqueFd(ends[0]);
  UniqueFd theirs(ends[1]);
  // Only the worker's end never waits.
  if (::fcntl(theirs.get(), F_SETFL, O_NONBLOCK) != 0) return complain("no more descriptors"), false;
  auto stream = std::make_unique<ExecStream>(command, std::move(theirs), end_);
  LinkWishes wishes{.opener = std::make_unique<SingleChannel>("session", std::move(stream))};
  wishes.channels.budget = &run_->windows();
  const auto link = run_->connect(std::move(wishes));
  if (!link) return std::fputs(explain(link.error(), run_->options()).c_str(), stderr), false;
  link_ = *link;
  return true;
}

int ExecChannel::finish() {
  ::shutdown(socket_.get(), SHUT_WR);
  char rest[4096];
  while (::read(socket_.get(), rest, sizeof rest) > 0) {}
  if (program_ > 0) return status_of_program(std::exchange(program_, -1));
  std::unique_lock held(end_->lock);
  end_->changed.wait(held, [this] { return end_->over; });
  return end_->status;
}

ExecChannel::~ExecChannel() {
  socket_.reset();
  if (program_ > 0) status_of_program(program_);
  if (!link_) return;
  run_->close(*link_);
  run_->wait_ended(*link_);
}

}  // namespace sluice
