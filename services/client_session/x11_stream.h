// X11Stream: a connection of the server's programs to the user's display, X Window System Protocol chapter 8.
//
// The server knows a cookie that we made up. What the connection begins with must show it, and goes on with the real
// one; a connection that does not is cut before the display hears of it.
#pragma once

#include "services/client_session/client_stream.h"

namespace sluice {

// What the server is told, in x11-req (RFC 4254 section 6.3.1).
struct X11Request {
  std::string protocol;
  std::vector<uint8_t> cookie;  // made up
  uint32_t screen = 0;
};

struct X11Display {
  X11Request shown;
  std::vector<uint8_t> cookie;  // the display's own, as long as the shown one
  StreamTarget target;
  uint64_t until_ns = UINT64_MAX;  // monotonic; new connections later are refused
};

class X11Stream final : public NamedStream {
 public:
  X11Stream(ClientChannels& channels, X11Display display);
  void on_data(std::span<const MutableBytes> pieces) override;
  void on_turn() override;

 private:
  void take_connection(UniqueFd socket);

  X11Display display_;
  std::vector<uint8_t> early_;
  bool asked_ = false;
  bool over_ = false;
};

enum class X11Setup : uint8_t { more, wrong, good };
// The beginning of a connection with one cookie in place of the other.
X11Setup swap_x11_cookie(std::vector<uint8_t>& setup, const X11Display& display);

}  // namespace sluice
