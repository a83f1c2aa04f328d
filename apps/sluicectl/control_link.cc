// One request at a time; what comes in front of its reply is events.
#include "apps/sluicectl/control_link.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace sluice::ctl {

ResultOrText<ControlLink> ControlLink::connect(const std::string& path, const std::string& ticket, bool json) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return fail(path + ": too long for a socket's path");
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail("no sluiced answers at " + path + ": " + std::strerror(errno));
  // It may name programs that are to be run here.
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
      (peer.uid != 0 && peer.uid != ::geteuid()))
    return fail(path + ": whoever answers there is neither root nor you");
  ControlLink link(std::move(socket));
  link.path_ = path;
  const auto reply = link.exchange(HelloRequest{ticket, json});
  if (!reply) return fail(reply.error());
  const auto* greeting = std::get_if<ShellReply>(&*reply);
  if (greeting == nullptr) return fail(std::string("the server greets in another language"));
  if (greeting->failed) return fail(greeting->output.substr(0, greeting->output.find('\n')));
  link.prompt_ = greeting->prompt;
  return link;
}

bool ControlLink::read_some(bool wait) {
  std::array<uint8_t, 64 * 1024> bytes;
  ssize_t n;
  do n = ::recv(socket_.get(), bytes.data(), bytes.size(), wait ? 0 : MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n < 0) return !wait && errno == EAGAIN;
  if (n > 0) in_.add(Bytes(bytes.data(), static_cast<size_t>(n)));
  return n > 0;
}

ResultOrText<ManagementReply> ControlLink::next_reply() {
  for (;;) {
    const auto frame = in_.next();
    if (!frame) return fail(std::string("the server's answer cannot be read"));
    if (*frame) {
      auto reply = read_management_reply(**frame);
      if (!reply) return fail(std::string("the server's answer cannot be read"));
      const auto* event = std::get_if<EventReply>(&*reply);
      if (event == nullptr) return std::move(*reply);
      event_(event->text);
    } else if (!read_some(true)) {
      return fail(std::string("the server has ended"));
    }
  }
}

ResultOrText<ManagementReply> ControlLink::exchange(const ManagementRequest& request) {
  auto frame = write_management_request(request);
  const auto sent = send(frame);
  // There may be a secret in it.
  wipe(frame.data(), frame.size());
  if (!sent) return fail(sent.error());
  return next_reply();
}

ResultOrText<void> ControlLink::send(Bytes frame) {
  for (size_t at = 0; at < frame.size();) {
    const ssize_t n = ::send(socket_.get(), frame.data() + at, frame.size() - at, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail(std::string("the server has ended"));
    at += static_cast<size_t>(n);
  }
  return {};
}

ResultOrText<ShellReply> ControlLink::line(const std::string& text) {
  if (text.size() > kMaxShellLine) return fail(std::string("the line is too long"));
  LineRequest request{text};
  auto reply = exchange(request);
  wipe(request.line.data(), request.line.size());
  if (!reply) return fail(reply.error());
  auto* shell = std::get_if<ShellReply>(&*reply);
  if (shell == nullptr) return fail(std::string("the server's answer cannot be read"));
  prompt_ = shell->prompt;
  return std::move(*shell);
}

ResultOrText<std::vector<Candidate>> ControlLink::complete(const std::string& text) {
  auto reply = exchange(CompleteRequest{text});
  if (!reply) return fail(reply.error());
  auto* list = std::get_if<CandidatesReply>(&*reply);
  if (list == nullptr) return fail(std::string("the server's answer cannot be read"));
  return std::move(list->candidates);
}

bool ControlLink::take_events() {
  if (!read_some(false)) return false;
  for (;;) {
    const auto frame = in_.next();
    if (!frame) return false;
    if (!*frame) return true;
    const auto reply = read_management_reply(**frame);
    if (!reply) return false;
    if (const auto* event = std::get_if<EventReply>(&*reply)) event_(event->text);
  }
}

}  // namespace sluice::ctl
