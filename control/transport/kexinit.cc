// Name-lists on the wire.
#include "control/transport/kexinit.h"

#include <algorithm>

#include "base/message_numbers.h"
#include "base/wire.h"

namespace sluice {
namespace {

constexpr size_t kCookieBytes = 16;

bool valid_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxNameLength) return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7f && c != ','; });
}

}  // namespace

// RFC 4251 section 5: comma-separated, no name empty, so ",": malformed.
Result<NameList> parse_names(std::string_view text) {
  NameList names;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view name = text.substr(0, comma);
    if (!valid_name(name) || names.size() == kMaxNames) return fail(ErrorCode::malformed_message);
    names.emplace_back(name);
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
    if (text.empty()) return fail(ErrorCode::malformed_message);
  }
  return names;
}

Result<KexInit> parse_kexinit(Bytes payload) {
  WireReader reader(payload);
  KexInit init;
  const bool right_number = reader.u8() == kMsgKexInit;
  reader.raw(kCookieBytes);
  for (NameList& list : init.lists) {
    auto names = parse_names(reader.text());
    if (!names) return fail(names.error());
    list = std::move(*names);
  }
  init.first_packet_follows = reader.boolean();
  reader.u32();
  if (!right_number || !reader.ok() || !reader.at_end()) return fail(ErrorCode::malformed_message);
  return init;
}

std::vector<uint8_t> write_kexinit(const KexInit& init, Bytes cookie) {
  WireWriter writer;
  writer.u8(kMsgKexInit);
  writer.raw(cookie);
  for (const NameList& list : init.lists) writer.string(join_names(list));
  return writer.boolean(init.first_packet_follows).u32(0).take();
}

std::string join_names(const NameList& names) {
  std::string out;
  for (const std::string& name : names) {
    if (!out.empty()) out.push_back(',');
    out.append(name);
  }
  return out;
}

}  // namespace sluice
