// accept4() until there is nothing, or enough.
#include "services/forward/acceptor.h"

#include <cerrno>

namespace sluice {

Acceptor::Acceptor(ChannelHost& host, UniqueFd listener, std::string type, Describe describe, StreamCounts& counts)
    : host_(host),
      listener_(std::move(listener)),
      type_(std::move(type)),
      describe_(std::move(describe)),
      counts_(counts) {
  host_.watch(listener_.get(), *this);
}

Acceptor::~Acceptor() { host_.unwatch(listener_.get()); }

void Acceptor::on_turn() {
  for (size_t i = 0; i < kAcceptsPerTurn && ready_ && counts_.open < kMaxAcceptedStreams; ++i) {
    if (!accept_one()) return;
  }
}

// False: not now.
bool Acceptor::accept_one() {
  sockaddr_storage from{};
  socklen_t size = sizeof from;
  UniqueFd socket(::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!socket) {
    // Who is gone already, or what else befell one connection, says nothing about the next. Without descriptors the
    // others stay where they are until a later turn.
    const bool out_of_room = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    if (errno == EAGAIN) ready_ = false;
    return errno != EAGAIN && !out_of_room;
  }
  auto service = std::make_unique<StreamService>(counts_, StreamEnds(std::move(socket)));
  // Refused there: too many channels. Dropping it tells who connected.
  return host_.open(type_, describe_(from), std::move(service));
}

}  // namespace sluice
