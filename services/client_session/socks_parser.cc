// RFC 1928, and SOCKS 4 and 4a, which no RFC has.
#include "services/client_session/socks_parser.h"

#include <arpa/inet.h>

#include <algorithm>

namespace sluice {
namespace {

constexpr uint8_t kConnect = 1;
constexpr uint8_t kNoMethod = 0xff;
constexpr uint8_t kRefusedCommand = 7;
constexpr uint8_t kRefusedAddress = 8;

std::vector<uint8_t> reply_five(uint8_t code) { return {5, code, 0, 1, 0, 0, 0, 0, 0, 0}; }
std::vector<uint8_t> reply_four(bool granted) { return {0, static_cast<uint8_t>(granted ? 90 : 91), 0, 0, 0, 0, 0, 0}; }

std::string numeric(int family, const uint8_t* address) {
  char text[INET6_ADDRSTRLEN] = {};
  ::inet_ntop(family, address, text, sizeof text);
  return text;
}

}  // namespace

SocksParser::State SocksParser::take(Bytes received, std::vector<uint8_t>& reply) {
  buffer_.insert(buffer_.end(), received.begin(), received.end());
  if (step_ == Step::done) return State::ready;
  if (step_ == Step::version && !buffer_.empty()) {
    if (buffer_[0] != 4 && buffer_[0] != 5) return State::refused;
    four_ = buffer_[0] == 4;
    step_ = four_ ? Step::request4 : Step::methods;
  }
  if (step_ == Step::version) return State::more;
  const State state = four_ ? take_four(reply) : take_five(reply);
  if (state == State::ready) step_ = Step::done;
  if (state == State::more && buffer_.size() > kMaxSocksRequest) return State::refused;
  return state;
}

// 4, command, port, address, user and 0; 4a: the address is 0.0.0.x and a name and 0 follow.
SocksParser::State SocksParser::take_four(std::vector<uint8_t>& reply) {
  if (buffer_.size() < 9) return State::more;
  const auto user_end = std::find(buffer_.begin() + 8, buffer_.end(), uint8_t{0});
  if (user_end == buffer_.end()) return State::more;
  auto end = user_end + 1;
  port_ = static_cast<uint16_t>(buffer_[2] << 8 | buffer_[3]);
  host_ = numeric(AF_INET, &buffer_[4]);
  if (buffer_[4] == 0 && buffer_[5] == 0 && buffer_[6] == 0 && buffer_[7] != 0) {
    const auto name_end = std::find(end, buffer_.end(), uint8_t{0});
    if (name_end == buffer_.end()) return State::more;
    host_.assign(end, name_end);
    end = name_end + 1;
  }
  if (buffer_[1] != kConnect || host_.empty()) {
    reply = reply_four(false);
    return State::refused;
  }
  consume(static_cast<size_t>(end - buffer_.begin()));
  return State::ready;
}

// 5, how many, methods; then 5, command, 0, kind of address, address, port.
SocksParser::State SocksParser::take_five(std::vector<uint8_t>& reply) {
  if (step_ == Step::methods) {
    if (buffer_.size() < 2 || buffer_.size() < size_t{2} + buffer_[1]) return State::more;
    const auto methods = buffer_.begin() + 2;
    const auto methods_end = methods + buffer_[1];
    if (std::find(methods, methods_end, uint8_t{0}) == methods_end) {
      reply = {5, kNoMethod};
      return State::refused;
    }
    reply = {5, 0};
    consume(static_cast<size_t>(methods_end - buffer_.begin()));
    step_ = Step::request5;
  }
  if (buffer_.size() < 5) return State::more;
  const uint8_t kind = buffer_[3];
  const size_t length = kind == 1 ? 4 : kind == 4 ? 16 : kind == 3 ? size_t{1} + buffer_[4] : 0;
  const auto refuse = [&](uint8_t code) {
    const auto answer = reply_five(code);
    reply.insert(reply.end(), answer.begin(), answer.end());
    return State::refused;
  };
  if (buffer_[0] != 5) return State::refused;
  if (length == 0) return refuse(kRefusedAddress);
  if (buffer_[1] != kConnect) return refuse(kRefusedCommand);
  const size_t all = 4 + length + 2;
  if (buffer_.size() < all) return State::more;
  if (kind == 3) {
    host_.assign(buffer_.begin() + 5, buffer_.begin() + 4 + static_cast<std::ptrdiff_t>(length));
    if (host_.empty()) return refuse(kRefusedAddress);
  } else {
    host_ = numeric(kind == 1 ? AF_INET : AF_INET6, &buffer_[4]);
  }
  port_ = static_cast<uint16_t>(buffer_[all - 2] << 8 | buffer_[all - 1]);
  consume(all);
  return State::ready;
}

std::vector<uint8_t> SocksParser::answer(bool connected) const {
  return four_ ? reply_four(connected) : reply_five(connected ? 0 : 5);
}

}  // namespace sluice
