// TcpStack: the TCP of one worker, both roles, without I/O and without a clock: segments come in by on_segment(), go
// out through the SegmentSink, time is what the caller says. Everything is on the worker's thread.
//
// The caller's turn: on_segment() for a burst -> end_burst() (acknowledges, sends what the burst allowed) -> sessions'
// turns (peek, release, reserve, commit, flush) -> advance() when next_deadline() has come, or in every turn.
#pragma once

#include <functional>
#include <memory>

#include "dataplane/netstack/segment_io.h"
#include "dataplane/netstack/tcp_counters.h"
#include "dataplane/netstack/tcp_settings.h"
#include "dataplane/netstack/tcp_state.h"
#include "dataplane/transport.h"

namespace sluice {

class TcpTable;
class TcpTransport;

// Takes a connection that a listener got, on the worker's thread. It may drop it: then it is closed.
class TcpAcceptor {
 public:
  virtual ~TcpAcceptor() = default;
  virtual void accept(std::unique_ptr<TcpTransport> connection) = 0;
};

class TcpStack final : public SegmentReceiver {
 public:
  TcpStack(const TcpSettings& settings, SegmentSink& sink, uint64_t now_ns);
  // Transports that outlive it are broken and empty.
  ~TcpStack() override;
  TcpStack(const TcpStack&) = delete;
  TcpStack& operator=(const TcpStack&) = delete;

  // False: somebody listens there, or the listeners are too many. The acceptor outlives the stack or its listener.
  bool listen(const IpEndpoint& at, TcpAcceptor& acceptor);
  void stop_listening(const IpEndpoint& at);
  // Local address and port may be left open (unspecified, 0). Null: no route, no free port, or no memory left. The
  // handshake has begun; TcpTransport::connecting() and failure() tell how it goes.
  std::unique_ptr<TcpTransport> connect(const IpEndpoints& endpoints, uint64_t now_ns);

  void on_segment(const SegmentIn& segment, uint64_t now_ns) override;
  void on_notice(const SegmentNotice& notice, uint64_t now_ns) override;
  void end_burst(uint64_t now_ns);
  // UINT64_MAX: nothing is waited for. May be early, never late.
  uint64_t next_deadline() const;
  void advance(uint64_t now_ns);
  // The sink had no room and has some again, or a neighbour answered: connections that waited send.
  void resume(uint64_t now_ns);

  size_t connections() const;
  size_t time_waits() const;
  size_t half_open() const;
  // Of rings that connections hold now.
  size_t memory_in_use() const;
  const TcpCounters& counters() const;
  // One call for each connection, TIME_WAIT last.
  void show(const std::function<void(const TcpConnectionFacts&)>& each) const;

 private:
  std::unique_ptr<TcpTable> table_;
};

}  // namespace sluice
