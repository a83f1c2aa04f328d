// Sockets to listen on: bound to addresses, or given by whoever started us.
//
// Made before rights are dropped, so apart from the Listener, which accepts on them. Port numbers below 1024 and VRF
// devices want rights.
#pragma once

#include <sys/socket.h>

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "control/keys/name_patterns.h"

namespace sluice {

struct Endpoint {
  Address address{};
  uint16_t port = 0;

  // Nothing unless it is IPv4 or IPv6.
  static std::optional<Endpoint> of(const sockaddr_storage& address);
  // "192.0.2.1:22", "[2001:db8::1]:22"
  std::string text() const;
};

struct ListenPlace {
  std::string address = {};  // numeric, with a zone where it needs one; empty: every address of both families
  uint16_t port = 22;        // 0: of the kernel's choice
  // An IPv6 wildcard that leaves IPv4 to others.
  bool v6only = true;
  std::string device = {};  // a VRF's, or any interface; empty: the default table

  bool operator==(const ListenPlace&) const = default;
};

// What accepted connections inherit.
struct SocketMarks {
  std::optional<unsigned> dscp = {};          // 0..63, `ssh server dscp`
  std::optional<unsigned> window_scale = {};  // 0..14, `ssh server tcp-window-scale`; none: the kernel's choice
  bool keepalive = true;
  int backlog = 1024;

  bool operator==(const SocketMarks&) const = default;
};

inline constexpr unsigned kMostDscp = 63;
inline constexpr unsigned kMostWindowScale = 14;

// Closed when it goes out of scope, unless released.
class ListeningSocket {
 public:
  static ResultOrText<ListeningSocket> open(const ListenPlace& where, const SocketMarks& marks);
  // Takes over a descriptor from elsewhere that must be a listening stream socket of IPv4 or IPv6.
  static ResultOrText<ListeningSocket> adopt(int descriptor, const SocketMarks& marks);
  // Of others' that stay open, as they are; what is none is left out.
  static std::vector<ListeningSocket> copies(const std::vector<int>& descriptors);
  // By systemd's convention, in LISTEN_FDS for the process LISTEN_PID. Empty when there are none for us.
  static ResultOrText<std::vector<ListeningSocket>> given(const SocketMarks& marks);

  ListeningSocket(ListeningSocket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  ListeningSocket& operator=(ListeningSocket&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~ListeningSocket();

  int descriptor() const { return descriptor_; }
  int release() { return std::exchange(descriptor_, -1); }
  // Where it listens.
  Endpoint endpoint() const;

 private:
  explicit ListeningSocket(int descriptor) : descriptor_(descriptor) {}
  ResultOrText<void> mark(const SocketMarks& marks);

  int descriptor_;
};

}  // namespace sluice
