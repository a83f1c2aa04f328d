// Packets: the type is the alternative's place in its variant.
#include "services/broker/broker_protocol.h"

#include "services/broker/field_codec.h"

namespace sluice {
namespace {

template <class Variant>
std::optional<std::vector<uint8_t>> write_packet(uint32_t request, const Variant& body) {
  FieldWriter writer;
  writer.out().u8(static_cast<uint8_t>(body.index())).u32(request);
  std::visit([&](const auto& alternative) { writer.put(alternative); }, body);
  if (!writer.fit() || writer.out().size() > kMaxBrokerPacket) return std::nullopt;
  return writer.out().take();
}

template <class Variant, size_t I>
void read_alternative(FieldReader& reader, Variant& body) {
  reader.get(body.template emplace<I>());
}

template <class Variant>
Result<Numbered<Variant>> read_packet(Bytes packet) {
  FieldReader reader(packet, kMaxBrokerList);
  const uint8_t type = reader.in().u8();
  Numbered<Variant> out;
  out.request = reader.in().u32();
  const auto readers = []<size_t... I>(std::index_sequence<I...>) {
    return std::array<void (*)(FieldReader&, Variant&), sizeof...(I)>{&read_alternative<Variant, I>...};
  }
  (std::make_index_sequence<std::variant_size_v<Variant>>());
  if (packet.size() > kMaxBrokerPacket || type >= readers.size()) return fail(ErrorCode::malformed_message);
  readers[type](reader, out.body);
  if (!reader.done()) return fail(ErrorCode::malformed_message);
  return out;
}

}  // namespace

std::optional<std::vector<uint8_t>> write_request(uint32_t request, const BrokerRequest& body) {
  return write_packet(request, body);
}

std::optional<std::vector<uint8_t>> write_answer(uint32_t request, const BrokerAnswer& body) {
  return write_packet(request, body);
}

Result<Numbered<BrokerRequest>> read_request(Bytes packet) {
  auto read = read_packet<BrokerRequest>(packet);
  // 0 is for events.
  // Nobody waits for an answer: which only a close may say.
  if (read && read->request == 0 && !std::holds_alternative<CloseHandle>(read->body))
    return fail(ErrorCode::malformed_message);
  return read;
}

Result<Numbered<BrokerAnswer>> read_answer(Bytes packet) {
  auto read = read_packet<BrokerAnswer>(packet);
  if (read && (read->request == 0) != std::holds_alternative<ChildExited>(read->body))
    return fail(ErrorCode::malformed_message);
  return read;
}

std::pair<size_t, size_t> descriptors_of(const BrokerAnswer& answer) {
  if (std::holds_alternative<FileOpened>(answer) || std::holds_alternative<Connected>(answer)) return {1, 1};
  if (std::holds_alternative<Listening>(answer)) return {1, 2};
  if (const auto* spawned = std::get_if<Spawned>(&answer))
    return spawned->terminal ? std::pair<size_t, size_t>{1, 1} : std::pair<size_t, size_t>{3, 3};
  return {0, 0};
}

}  // namespace sluice
