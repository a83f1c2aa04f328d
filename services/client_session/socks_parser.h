// SocksParser: the first bytes of a SOCKS 4, 4a or 5 client: where it wants to go, and what it is answered.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"

namespace sluice {

// More is no request: SOCKS 5 with a name of 255 bytes after a list of 255 methods stays below.
inline constexpr size_t kMaxSocksRequest = 1024;

class SocksParser {
 public:
  enum class State : uint8_t { more, ready, refused };

  // New bytes. `reply`: to be sent at once, in any state. What follows the request stays in rest().
  State take(Bytes received, std::vector<uint8_t>& reply);
  const std::string& host() const { return host_; }
  uint16_t port() const { return port_; }
  Bytes rest() const { return buffer_; }
  // Once ready: what the client is told about how it went.
  std::vector<uint8_t> answer(bool connected) const;

 private:
  enum class Step : uint8_t { version, methods, request4, request5, done };
  State take_four(std::vector<uint8_t>& reply);
  State take_five(std::vector<uint8_t>& reply);
  void consume(size_t n) { buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(n)); }

  Step step_ = Step::version;
  bool four_ = false;
  std::string host_;
  uint16_t port_ = 0;
  std::vector<uint8_t> buffer_;
};

}  // namespace sluice
