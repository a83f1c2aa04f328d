// The PROXY protocol's version 2 header: whom a trusted proxy speaks for, read strictly and without a byte too many.
//
// Version 1, a text line, is refused: its end cannot be found without reading beyond it.
#pragma once

#include <array>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "control/keys/name_patterns.h"

namespace sluice {

// Both addresses and some attributes. A header may claim 64 KiB; the longest that proxies send are far below this.
inline constexpr size_t kMaxProxyHeader = 536;

struct ProxiedEnds {
  Address from;
  uint16_t from_port;
  Address to;
  uint16_t to_port;
};

class ProxyHeaderReader {
 public:
  // Where the next bytes go: exactly as many as are certain to belong to the header. Empty: it is complete.
  MutableBytes wanted();
  // So many of them have come. An error: this is no header that we take.
  Result<void> take(size_t bytes);
  bool complete() const { return complete_; }
  // Nothing where the proxy speaks for itself, as its health checks do.
  const std::optional<ProxiedEnds>& ends() const { return ends_; }

 private:
  Result<void> take_fixed_part();
  Result<void> take_addresses();

  std::array<uint8_t, kMaxProxyHeader> bytes_;
  size_t have_ = 0;
  size_t size_ = 16;  // of what is known to follow: the fixed part first
  bool complete_ = false;
  std::optional<ProxiedEnds> ends_;
};

}  // namespace sluice
