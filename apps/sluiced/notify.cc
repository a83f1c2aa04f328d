// A datagram without a library.
#include "apps/sluiced/notify.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>

#include <cstdlib>
#include <cstring>

#include "base/unique_fd.h"

namespace sluice {

void notify_supervisor(std::string_view state) {
  const char* path = ::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  if (!path || (path[0] != '/' && path[0] != '@') || std::strlen(path) >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path, std::strlen(path));
  // An abstract name begins with a NUL.
  if (path[0] == '@') address.sun_path[0] = '\0';
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
  ::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address), size);
}

}  // namespace sluice
