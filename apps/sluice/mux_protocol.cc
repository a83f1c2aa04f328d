// Lengths, descriptors, and the socket itself.
#include "apps/sluice/mux_protocol.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/random.h"
#include "base/text.h"
#include "base/wire.h"

namespace sluice {
namespace {

std::optional<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return std::nullopt;
  std::copy(path.begin(), path.end(), address.sun_path);
  return address;
}

}  // namespace

std::vector<uint8_t> mux_packet(Bytes message) { return WireWriter().string(message).take(); }

UniqueFd receive_mux_descriptor(int socket) {
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = room;
  message.msg_controllen = sizeof room;
  ssize_t n;
  do n = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n == 0) errno = EPIPE;
  if (n != 1) return UniqueFd();
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(int))) {
    errno = EPROTO;
    return UniqueFd();
  }
  int descriptor;
  std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
  return UniqueFd(descriptor);
}

bool send_mux_descriptor(int socket, int descriptor) {
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = room;
  message.msg_controllen = sizeof room;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  ssize_t n;
  do n = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  return n == 1;
}

// Bound under a name of its own and linked into place: whoever finds the path finds somebody who listens, and an
// existing one is never replaced.
ResultOrText<UniqueFd> listen_for_mux(const std::string& path) {
  uint8_t random[8];
  fill_random(random);
  std::string own = path + ".";
  for (const uint8_t byte : random) own.push_back("abcdefghijklmnop"[byte & 15]);
  const auto address = address_of(own);
  if (!address) return fail(joined({"ControlPath \"", path, "\" is too long for a Unix socket"}));
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const mode_t before = ::umask(0177);
  const bool bound = ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) == 0;
  const int error = errno;
  ::umask(before);
  if (!bound) return fail(joined({"ControlPath ", path, ": ", std::strerror(error)}));
  if (::listen(socket.get(), 64) != 0 || ::link(own.c_str(), path.c_str()) != 0) {
    const std::string why = errno == EEXIST
                                ? joined({"ControlSocket ", path, " already exists, disabling multiplexing"})
                                : joined({"ControlPath ", path, ": ", std::strerror(errno)});
    ::unlink(own.c_str());
    return fail(why);
  }
  ::unlink(own.c_str());
  return socket;
}

UniqueFd connect_to_mux(const std::string& path) {
  const auto address = address_of(path);
  if (!address) return UniqueFd();
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) == 0) return socket;
  // Left by a master that is no more.
  if (errno == ECONNREFUSED) ::unlink(path.c_str());
  return UniqueFd();
}

}  // namespace sluice
