// One record's work for a crypto driver, in one cache line.
//
// Layout of the memory that an op points at:
//
//     [headroom] length(4) | padding length, payload, padding | tag
//                ^ src/dst                                      ^ where a seal writes it, op.tag
//
// Invariants: src, dst, tag and the op itself stay put until the driver has given the op back. The suite's headroom
// bytes before dst and before src belong to the op while it is in flight. src == dst is work in place.
#pragma once

#include <array>
#include <cstdint>

namespace sluice {

class PreparedKey;

enum class Direction : uint8_t { seal, open };

enum class OpStatus : uint8_t {
  pending,
  ok,
  bad_tag,       // the record is a forgery, or its device corrupted it; its bytes were wiped
  device_error,  // the driver could not do it; src is as it was when the op worked on a separate dst
};

// What the dispatch has to remember of an op while a driver has it. Drivers leave it alone.
struct DispatchMark {
  uint16_t place = 0;  // among the ops that a device holds
  uint8_t check = 0;   // the answer that software's is to be compared with; 0: none
};

struct alignas(64) CryptoOp {
  PreparedKey* key;    // of the driver that serves the op; names the epoch until one was chosen
  const uint8_t* src;  // the length field
  uint8_t* dst;
  uint8_t* tag;                // seal: where to write it. open: the received one
  uint32_t length;             // length field and body, without the tag
  uint32_t sequence;           // RFC 4253 section 6.4
  std::array<uint8_t, 16> iv;  // GCM: 12 bytes; CTR: the record's first counter; CBC: previous block; chacha20: unused
  OpStatus status;
  Direction direction;
  uint8_t attempts;  // drivers that failed at it so far
  DispatchMark mark;
};
static_assert(sizeof(CryptoOp) == 64, "one cache line, or submit() touches two for every record");

// The driver-independent part of a key as a driver has prepared it. Drivers derive from it.
class KeyEpoch;
class PreparedKey {
 public:
  virtual ~PreparedKey() = default;
  KeyEpoch* epoch = nullptr;
};

}  // namespace sluice
