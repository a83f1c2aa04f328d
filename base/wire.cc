// The parts of the RFC 4251 reader and writer that are more than a line.
#include "base/wire.h"

namespace sluice {

Bytes WireReader::mpint() {
  Bytes value = string();
  if (!ok_ || value.empty()) return {};
  const bool negative = (value[0] & 0x80) != 0;
  const bool padded = value[0] == 0 && (value.size() == 1 || (value[1] & 0x80) == 0);
  if (negative || padded) {
    ok_ = false;
    rest_ = {};
    return {};
  }
  return value[0] == 0 ? value.subspan(1) : value;
}

WireWriter& WireWriter::u32(uint32_t v) {
  uint8_t be[4];
  store_be32(be, v);
  return raw(be);
}

WireWriter& WireWriter::u64(uint64_t v) {
  uint8_t be[8];
  store_be64(be, v);
  return raw(be);
}

WireWriter& WireWriter::mpint(Bytes magnitude) {
  while (!magnitude.empty() && magnitude[0] == 0) magnitude = magnitude.subspan(1);
  const bool pad = !magnitude.empty() && (magnitude[0] & 0x80) != 0;
  u32(static_cast<uint32_t>(magnitude.size() + (pad ? 1 : 0)));
  if (pad) u8(0);
  return raw(magnitude);
}

}  // namespace sluice
