// ForwardSpec: what -L, -R and -D ask for, as a value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice {

// A TCP address or a Unix socket's path.
struct ForwardEnd {
  std::string path;  // not empty: a Unix socket
  std::string host;  // listening: "" where nothing was said, "*" for all addresses
  uint16_t port = 0;
  bool host_given = false;  // even as nothing, as in ":8080:..."

  bool is_path() const { return !path.empty(); }
  // "host port 80", "socket /path".
  std::string text() const;
  bool operator==(const ForwardEnd&) const = default;
};

enum class ForwardKind : uint8_t { local, remote };

struct ForwardSpec {
  ForwardKind kind = ForwardKind::local;
  ForwardEnd listen;
  std::optional<ForwardEnd> target;  // nothing: SOCKS says where to

  // As -G prints it and as -O cancel names it.
  std::string text() const;
  bool operator==(const ForwardSpec&) const = default;
};

// [bind:]port:host:hostport, [bind:]port:path, path:host:hostport, path:path. `dynamic`: [bind:]port.
ResultOrText<ForwardSpec> parse_local_forward(std::string_view text);
ResultOrText<ForwardSpec> parse_dynamic_forward(std::string_view text);
// Like a local one, or without a target: [bind:]port.
ResultOrText<ForwardSpec> parse_remote_forward(std::string_view text);
// -W host:port, [host]:port.
ResultOrText<ForwardEnd> parse_host_port(std::string_view text);

}  // namespace sluice
