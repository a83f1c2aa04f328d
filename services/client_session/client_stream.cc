// Opens that were answered, and connections that were made.
#include "services/client_session/client_stream.h"

#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "base/wire.h"

namespace sluice {
namespace {

std::string printable_text(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 256)) out.push_back(c >= 32 && c < 127 ? c : '?');
  return out;
}

// A short answer to a local client, whose socket has room for it.
void write_all(int descriptor, const std::vector<uint8_t>& bytes) {
  [[maybe_unused]] const ssize_t n = ::write(descriptor, bytes.data(), bytes.size());
}

// "host:port" against "host:port" with * for either.
bool permits(const std::vector<std::string>& patterns, const std::string& host, uint16_t port) {
  if (patterns.empty()) return true;
  for (const std::string& pattern : patterns) {
    if (pattern == "any") return true;
    const size_t colon = pattern.rfind(':');
    if (colon == std::string::npos) continue;
    std::string name = pattern.substr(0, colon);
    if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
    const std::string number = pattern.substr(colon + 1);
    if ((name == "*" || name == host) && (number == "*" || number == std::to_string(port))) return true;
  }
  return false;
}

}  // namespace

NamedStream::NamedStream(ClientChannels& channels, std::string name, StreamEnds ends)
    : StreamService(channels.counts(), std::move(ends)), channels_(channels) {
  channels_.name(this, std::move(name));
}

NamedStream::~NamedStream() {
  channels_.forget(this);
  channels_.gone();
}

void DirectStream::on_refused(OpenFailure, std::string_view text) {
  channels().say(sluice::joined({"channel: open failed: ", printable_text(text)}));
}

SocksStream::SocksStream(ClientChannels& channels, std::string name, UniqueFd socket, std::vector<uint8_t> granted,
                         std::vector<uint8_t> refused, std::vector<uint8_t> early)
    : NamedStream(channels, std::move(name)),
      socket_(std::move(socket)),
      granted_(std::move(granted)),
      refused_(std::move(refused)),
      early_(std::move(early)) {}

void SocksStream::on_confirmed(Bytes) {
  write_all(socket_.get(), granted_);
  if (early_.empty()) join(StreamEnds(std::move(socket_)));
}

void SocksStream::on_turn() {
  if (socket_ && !early_.empty() && channel().window() > 0) {
    const auto draft = channel().reserve(early_.size());
    if (!draft) return;
    const size_t n = std::min(draft->data.size(), early_.size());
    std::copy_n(early_.begin(), n, draft->data.begin());
    channel().finish(*draft, n);
    early_.erase(early_.begin(), early_.begin() + static_cast<std::ptrdiff_t>(n));
    if (early_.empty()) join(StreamEnds(std::move(socket_)));
  }
  NamedStream::on_turn();
}

void SocksStream::on_refused(OpenFailure, std::string_view text) {
  write_all(socket_.get(), refused_);
  channels().say(sluice::joined({"channel: open failed: ", printable_text(text)}));
}

PendingStream::PendingStream(ClientChannels& channels, StreamTarget target, std::string name)
    : NamedStream(channels, std::move(name)), target_(std::move(target)) {}

void PendingStream::attach(Channel& channel) {
  NamedStream::attach(channel);
  channels().connect(this, target_, [this, &channel](UniqueFd socket) {
    if (!socket) return channel.refuse(OpenFailure::connect_failed, "connection refused at the client's end");
    channel.confirm();
    join(StreamEnds(std::move(socket)));
  });
}

ServerSocksStream::ServerSocksStream(ClientChannels& channels, std::vector<std::string> permitted, std::string name)
    : NamedStream(channels, std::move(name)), permitted_(std::move(permitted)) {}

void ServerSocksStream::on_data(std::span<const MutableBytes> pieces) {
  if (joined() || over_) return NamedStream::on_data(pieces);
  for (const MutableBytes piece : pieces) {
    std::vector<uint8_t> reply;
    const auto state = parser_.take(piece, reply);
    channel().consumed(piece.size());
    answer_.insert(answer_.end(), reply.begin(), reply.end());
    if (parser_.rest().size() > (size_t{4} << 20)) over_ = true;
    if (state == SocksParser::State::refused) over_ = true;
    if (state != SocksParser::State::ready || asked_) continue;
    asked_ = true;
    if (!permits(permitted_, parser_.host(), parser_.port())) {
      channels().say(sluice::joined({"Warning: the server's SOCKS client asked for ", printable_text(parser_.host()),
                                     ", which PermitRemoteOpen does not allow."}));
      take_connection({});
      continue;
    }
    const StreamTarget target{StreamTarget::Kind::tcp, parser_.host(), parser_.port()};
    channels().connect(this, target, [this](UniqueFd socket) { take_connection(std::move(socket)); });
  }
  channel().ask_turn();
}

void ServerSocksStream::take_connection(UniqueFd socket) {
  const auto answer = parser_.answer(static_cast<bool>(socket));
  answer_.insert(answer_.end(), answer.begin(), answer.end());
  over_ = !socket;
  socket_ = std::move(socket);
  channel().ask_turn();
}

void ServerSocksStream::on_turn() {
  if (joined()) return NamedStream::on_turn();
  while (!answer_.empty()) {
    const auto draft = channel().reserve(answer_.size());
    if (!draft) return;
    const size_t n = std::min(draft->data.size(), answer_.size());
    std::copy_n(answer_.begin(), n, draft->data.begin());
    channel().finish(*draft, n);
    answer_.erase(answer_.begin(), answer_.begin() + static_cast<std::ptrdiff_t>(n));
  }
  if (over_) return abandon();
  if (!socket_) return;
  const Bytes rest = parser_.rest();
  if (!rest.empty()) write_all(socket_.get(), {rest.begin(), rest.end()});
  join(StreamEnds(std::move(socket_)));
  NamedStream::on_turn();
}

StandardStream::StandardStream(ClientChannels& channels, uint32_t id, StreamEnds ends)
    : NamedStream(channels, "standard input and output", std::move(ends)), id_(id) {
  channels.know_stream(id, [this] { abandon(); });
}

StandardStream::~StandardStream() {
  channels().know_stream(id_, {});
  if (!refused_) channels().tell(ClientNote::session_ended, id_, WireWriter().u32(0).u8(1).take());
}

void StandardStream::on_confirmed(Bytes) { channels().tell(ClientNote::session_ready, id_); }

void StandardStream::on_refused(OpenFailure, std::string_view text) {
  refused_ = true;
  const std::string why = sluice::joined({"stdio forwarding failed: ", printable_text(text)});
  channels().tell(ClientNote::session_failed, id_, {why.begin(), why.end()});
}

}  // namespace sluice
