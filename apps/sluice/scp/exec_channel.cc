// The connection of an ExecChannel.
#include "apps/sluice/scp/exec_channel.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>

#include "apps/sluice/client_log.h"
#include "apps/sluice/sftp/sftp_connection.h"
#include "services/client_session/single_channel.h"

namespace sluice {

std::unique_ptr<ExecChannel> ExecChannel::open(const ClientInvocation& invocation, const std::string& command) {
  auto options = read_client_options(invocation);
  if (!options) return complain(options.error()), nullptr;
  if (!begin_log(*options)) return nullptr;
  std::unique_ptr<ExecChannel> out(new ExecChannel(std::move(*options)));
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return complain("no more descriptors"), nullptr;
  out->socket_ = UniqueFd(ends[0]);
  UniqueFd theirs(ends[1]);
  // Only the worker's end never waits.
  if (::fcntl(theirs.get(), F_SETFL, O_NONBLOCK) != 0) return complain("no more descriptors"), nullptr;
  auto stream = std::make_unique<ExecStream>(command, std::move(theirs), out->end_);
  LinkWishes wishes{.opener = std::make_unique<SingleChannel>("session", std::move(stream))};
  wishes.channels.budget = &out->run_.windows();
  const auto link = out->run_.connect(std::move(wishes));
  if (!link) return std::fputs(explain(link.error(), out->run_.options()).c_str(), stderr), nullptr;
  out->link_ = *link;
  return out;
}

int ExecChannel::finish() {
  ::shutdown(socket_.get(), SHUT_WR);
  char rest[4096];
  while (::read(socket_.get(), rest, sizeof rest) > 0) {}
  std::unique_lock held(end_->lock);
  end_->changed.wait(held, [this] { return end_->over; });
  return end_->status;
}

ExecChannel::~ExecChannel() {
  socket_.reset();
  if (!link_) return;
  run_.close(*link_);
  run_.wait_ended(*link_);
}

}  // namespace sluice
