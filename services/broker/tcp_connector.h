// TcpConnector: one connection to a name: looked up aside, then its addresses tried a quarter of a second apart until
// one answers (RFC 8305, with two families taking turns).
#pragma once

#include <sys/socket.h>

#include <memory>
#include <vector>

#include "services/broker/event_loop.h"
#include "services/broker/file_operations.h"

namespace sluice {

struct TcpAddress {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

// Blocks unless `host` is an address already.
Outcome<std::vector<TcpAddress>> look_up(const std::string& host, uint32_t port, bool addresses_only);

// A name may have thousands of addresses; more attempts than these at one time would be a scan.
inline constexpr size_t kMaxConnectAttempts = 8;

class TcpConnector : public std::enable_shared_from_this<TcpConnector> {
 public:
  // Called once, unless the connector is dropped before.
  using Then = std::function<void(Outcome<UniqueFd>)>;

  TcpConnector(EventLoop& loop, Then then) : loop_(loop), then_(std::move(then)) {}
  ~TcpConnector();

  void start(std::vector<TcpAddress> addresses);

 private:
  void try_next();
  void on_ready(int descriptor);
  void finish(Outcome<UniqueFd> outcome);
  void drop_attempts();

  EventLoop& loop_;
  Then then_;
  std::vector<TcpAddress> addresses_;
  size_t next_ = 0;
  std::vector<UniqueFd> attempts_;
  Failure last_failure_;
};

}  // namespace sluice
