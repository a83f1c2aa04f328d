// The first bytes of a connection, and what may follow.
#include "services/client_session/x11_stream.h"

#include <unistd.h>

#include <algorithm>

namespace sluice {
namespace {

constexpr size_t kHeader = 12;
// An X program waits for the display's answer to its first packet: more than that before it is none.
constexpr size_t kMostEarly = 256 * 1024;

size_t padded(size_t n) { return (n + 3) & ~size_t{3}; }

bool same(Bytes a, Bytes b) {
  if (a.size() != b.size()) return false;
  uint8_t difference = 0;
  for (size_t i = 0; i < a.size(); ++i) difference = static_cast<uint8_t>(difference | (a[i] ^ b[i]));
  return difference == 0;
}

}  // namespace

X11Setup swap_x11_cookie(std::vector<uint8_t>& setup, const X11Display& display) {
  if (setup.size() < kHeader) return X11Setup::more;
  // The program's own byte order.
  const bool big = setup[0] == 'B';
  if (!big && setup[0] != 'l') return X11Setup::wrong;
  const auto number = [&](size_t at) {
    return big ? setup[at] * 256u + setup[at + 1] : setup[at] + setup[at + 1] * 256u;
  };
  const size_t name = number(6), cookie = number(8);
  if (setup.size() < kHeader + padded(name) + padded(cookie)) return X11Setup::more;
  const auto at = setup.begin() + static_cast<std::ptrdiff_t>(kHeader + padded(name));
  if (text_of(Bytes(setup).subspan(kHeader, name)) != display.shown.protocol ||
      !same(Bytes(setup).subspan(kHeader + padded(name), cookie), display.shown.cookie))
    return X11Setup::wrong;
  std::copy(display.cookie.begin(), display.cookie.end(), at);
  return X11Setup::good;
}

X11Stream::X11Stream(ClientChannels& channels, X11Display display)
    : NamedStream(channels, "X11 connection"), display_(std::move(display)) {}

void X11Stream::on_data(std::span<const MutableBytes> pieces) {
  if (joined()) return NamedStream::on_data(pieces);
  for (const MutableBytes piece : pieces) {
    channel().consumed(piece.size());
    if (!over_) early_.insert(early_.end(), piece.begin(), piece.end());
  }
  if (early_.size() > kMostEarly) over_ = true;
  if (!asked_ && !over_) {
    const X11Setup setup = swap_x11_cookie(early_, display_);
    asked_ = setup == X11Setup::good;
    over_ = setup == X11Setup::wrong;
    if (over_) channels().say("X11 connection rejected because of wrong authentication.");
    if (asked_)
      channels().connect(this, display_.target, [this](UniqueFd socket) { take_connection(std::move(socket)); });
  }
  channel().ask_turn();
}

void X11Stream::take_connection(UniqueFd socket) {
  // A fresh socket has room for a first packet.
  over_ = !socket || ::write(socket.get(), early_.data(), early_.size()) != static_cast<ssize_t>(early_.size());
  if (over_) channels().say("X11 connection failed: the display does not answer.");
  early_.clear();
  if (!over_) join(StreamEnds(std::move(socket)));
  channel().ask_turn();
}

void X11Stream::on_turn() {
  if (joined()) return NamedStream::on_turn();
  if (over_) abandon();
}

}  // namespace sluice
