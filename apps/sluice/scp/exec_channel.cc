// The channel's service, and its connection.
#include "apps/sluice/scp/exec_channel.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>

#include "apps/sluice/client_log.h"
#include "apps/sluice/sftp/sftp_connection.h"
#include "base/wire.h"
#include "services/client_session/single_channel.h"

namespace sluice {
namespace {

class ExecStream final : public StreamService {
 public:
  ExecStream(StreamCounts& counts, UniqueFd end, std::string command, std::atomic<int>& status)
      : StreamService(counts), end_(std::move(end)), command_(std::move(command)), status_(status) {}

  void on_confirmed(Bytes) override { channel().request("exec", true, WireWriter().string(command_).view()); }
  void on_reply(bool success) override {
    if (success) return join(StreamEnds(std::move(end_)));
    complain("the server does not run commands for this user");
    end_.reset();
    abandon();
  }
  void on_stderr(Bytes data) override {
    // A stranger's words: line by line, nothing that a terminal would obey.
    std::string line;
    for (const char c : text_of(data)) {
      if (c == '\n') {
        std::fprintf(stderr, "%s\n", fit_for_terminal(line, 4096).c_str());
        line.clear();
      } else {
        line.push_back(c);
      }
    }
    if (!line.empty()) std::fputs(fit_for_terminal(line, 4096).c_str(), stderr);
    channel().consumed(data.size());
  }
  RequestAnswer on_request(const ChannelRequest& request) override {
    if (request.name != "exit-status") return RequestAnswer::failure;
    WireReader reader(request.extra);
    const uint32_t status = reader.u32();
    if (reader.ok()) status_ = static_cast<int>(status & 0xff);
    return RequestAnswer::success;
  }

 private:
  UniqueFd end_;
  const std::string command_;
  std::atomic<int>& status_;
};

}  // namespace

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
  if (::fcntl(theirs.get(), F_SETFL, O_NONBLOCK) != 0) return nullptr;
  auto service = std::make_unique<ExecStream>(out->counts_, std::move(theirs), command, out->status_);
  LinkWishes wishes{.opener = std::make_unique<SingleChannel>("session", std::move(service))};
  wishes.channels.budget = &out->run_.windows();
  const auto link = out->run_.connect(std::move(wishes));
  if (!link) return std::fputs(explain(link.error(), out->run_.options()).c_str(), stderr), nullptr;
  out->link_ = *link;
  return out;
}

int ExecChannel::finish() {
  ::shutdown(socket_.get(), SHUT_WR);
  char rest[4096];
  // The status comes before the end.
  while (::read(socket_.get(), rest, sizeof rest) > 0) {}
  return status_;
}

ExecChannel::~ExecChannel() {
  socket_.reset();
  if (!link_) return;
  run_.close(*link_);
  run_.wait_ended(*link_);
}

}  // namespace sluice
