// All by the fields of each.
#include "services/broker/starter_protocol.h"

#include "services/broker/field_codec.h"

namespace sluice {
namespace {

// Groups of a user, variables, rules: more are nobody's.
constexpr size_t kMaxItems = 65536 / 4;

template <class T>
std::optional<std::vector<uint8_t>> encoded(const T& value) {
  FieldWriter writer;
  writer.put(value);
  if (!writer.fit() || writer.out().size() > kMaxStarterPacket) return std::nullopt;
  return writer.out().take();
}

template <class T>
std::optional<T> decoded(Bytes packet) {
  FieldReader reader(packet, kMaxItems);
  T value;
  reader.get(value);
  if (!reader.done()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::vector<uint8_t>> encode(const LinkOrder& order) { return encoded(order); }
std::optional<std::vector<uint8_t>> encode(const LinkMade& made) { return encoded(made); }
std::optional<std::vector<uint8_t>> encode(const BrokerNews& news) { return encoded(news); }
std::optional<std::vector<uint8_t>> encode(const LinkPolicy& policy) { return encoded(policy); }

std::optional<LinkOrder> decode_order(Bytes packet) { return decoded<LinkOrder>(packet); }
std::optional<LinkMade> decode_made(Bytes packet) { return decoded<LinkMade>(packet); }
std::optional<LinkPolicy> decode_policy(Bytes packet) { return decoded<LinkPolicy>(packet); }

std::optional<BrokerNews> decode_news(Bytes packet) {
  auto news = decoded<BrokerNews>(packet);
  if (news && news->text.size() > kMaxStartError) return std::nullopt;
  return news;
}

}  // namespace sluice
