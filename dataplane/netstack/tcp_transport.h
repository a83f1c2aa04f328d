// A transport over a connection of a TcpStack: received bytes lie in its ring, sent ones are sent from where they were
// sealed and stay there until they are acknowledged. All calls on the stack's thread.
//
// Its destructor closes the connection: what is committed is still delivered, in the stack's care, and what the peer
// says meanwhile is dropped; what it says after that is answered with a reset. abort() drops everything.
#pragma once

#include "dataplane/netstack/tcp_state.h"
#include "dataplane/transport.h"

namespace sluice {

class TcpConnection;

using TcpWaker = TransportWaker;

class TcpTransport final : public Transport {
 public:
  ~TcpTransport() override;

  size_t available() const override;
  size_t peek(size_t offset, std::span<MutableBytes> out) override;
  void release(size_t n) override;
  bool can_receive() const override;
  bool ended() const override;
  bool broken() const override;
  // Sends what windows allow. In the time of the stack's last call.
  void flush() override;
  void give_memory_back() override;

  // Handshake not yet complete.
  bool connecting() const;
  // Why it is broken or ended; none while it is open.
  TcpEnd failure() const;
  TcpConnectionFacts facts() const;
  const IpEndpoints& endpoints() const { return endpoints_; }
  // Null: nobody is told.
  bool set_waker(TransportWaker* waker) override;
  // We send no more; the peer may. What is committed later stays where it is.
  void close_sending();
  // Drops everything, tells the peer by a reset.
  void abort();

 private:
  friend class TcpConnection;
  TcpTransport(TcpConnection& connection, size_t send_bytes, size_t most_send_bytes);

  TcpConnection* connection_;
  const IpEndpoints endpoints_;
};

}  // namespace sluice
