// A transport's calls, given to its connection.
#include "dataplane/netstack/tcp_transport.h"

#include <algorithm>

#include "base/check.h"
#include "dataplane/netstack/tcp_connection.h"

namespace sluice {
namespace {

// Records that lie apart in the ring are pieces of their own, and stay until they are acknowledged.
constexpr size_t kMostPiecesWaiting = 2048;

}  // namespace

TcpTransport::TcpTransport(TcpConnection& connection, size_t send_bytes, size_t most_send_bytes)
    : Transport(std::max(send_bytes, most_send_bytes), kMostPiecesWaiting),
      connection_(&connection),
      endpoints_(connection.endpoints()) {
  send_ring().set_lap(std::min(send_bytes, send_ring().capacity()));
}

TcpTransport::~TcpTransport() {
  if (connection_ != nullptr) connection_->detach(take_send_ring());
}

size_t TcpTransport::available() const { return connection_ == nullptr ? 0 : connection_->received()->available(); }

size_t TcpTransport::peek(size_t offset, std::span<MutableBytes> out) {
  return connection_ == nullptr ? 0 : connection_->received()->peek(offset, out);
}

void TcpTransport::release(size_t n) {
  // A ring that could not grow is gone with what was in it, and its reader has yet to hear of that.
  n = std::min(n, available());
  if (n > 0) connection_->released(n);
}

bool TcpTransport::can_receive() const { return !ended() && connection_->received()->window() > 0; }

bool TcpTransport::ended() const { return broken() || connection_->peer_ended(); }

bool TcpTransport::broken() const {
  if (connection_ == nullptr) return true;
  const TcpEnd end = connection_->end();
  return end != TcpEnd::none && end != TcpEnd::closed;
}

void TcpTransport::flush() {
  if (connection_ != nullptr) connection_->flush();
}

void TcpTransport::give_memory_back() {
  Transport::give_memory_back();
  if (connection_ != nullptr) connection_->received()->give_memory_back();
}

bool TcpTransport::connecting() const {
  if (connection_ == nullptr) return false;
  return connection_->state() == TcpState::syn_sent || connection_->state() == TcpState::syn_received;
}

TcpEnd TcpTransport::failure() const { return connection_ == nullptr ? TcpEnd::closed : connection_->end(); }

TcpConnectionFacts TcpTransport::facts() const {
  return connection_ == nullptr ? TcpConnectionFacts{} : connection_->facts();
}

bool TcpTransport::set_waker(TransportWaker* waker) {
  if (connection_ != nullptr) connection_->waker = waker;
  return true;
}

void TcpTransport::close_sending() {
  if (connection_ != nullptr) connection_->close_sending();
}

void TcpTransport::abort() {
  if (connection_ != nullptr) connection_->abort();
}

}  // namespace sluice
