// accept4() until there is nothing, or enough.
#include "services/forward/acceptor.h"

#include <cerrno>

#include "services/forward/server_stream.h"

namespace sluice {

Acceptor::Acceptor(ConnectionServices& connection, UniqueFd listener, std::string type, Describe describe,
                   StreamCounts& counts)
    : connection_(connection),
      listener_(std::move(listener)),
      type_(std::move(type)),
      describe_(std::move(describe)),
      counts_(counts) {
  connection_.host().watch(listener_.get(), *this);
}

Acceptor::~Acceptor() { connection_.host().unwatch(listener_.get()); }

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
  auto service = std::make_unique<ServerStream>(connection_, counts_, StreamEnds(std::move(socket)));
  // Refused there: too many channels. Dropping it tells who connected.
  return connection_.host().open(type_, describe_(from), std::move(service));
}

}  // namespace sluice
