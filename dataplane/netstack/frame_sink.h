// Frames on their way out, as a port takes them: header bytes, and payload where it lies.
#pragma once

#include <span>

#include "base/bytes.h"

namespace sluice {

// Whose memory a frame's payload is. Told once for each frame that was taken, when the port has read the last byte.
class FrameOwner {
 public:
  virtual ~FrameOwner() = default;
  virtual void frame_left() = 0;
};

struct OutFrame {
  Bytes header;  // from Ethernet's to the last of ours
  std::span<const Bytes> payload = {};
  uint16_t network_at = 14;
  uint16_t transport_at = 34;
  bool v6 = false;
  bool tcp = false;  // the checksum field of TCP holds the pseudo header's sum: the port, or its device, does the rest
  // Payload bytes of each frame on the wire, where the port cuts it (TSO); 0: it fits.
  uint16_t segment_size = 0;
  // Null: the payload is copied during send().
  FrameOwner* owner = nullptr;
};

class FrameSink {
 public:
  virtual ~FrameSink() = default;
  // False: no room now, nothing was taken.
  virtual bool send(const OutFrame& frame) = 0;
};

// What a port knows about a frame that came in.
struct FrameFacts {
  bool checksums_good = false;  // the device has looked at IP's and TCP's
};

}  // namespace sluice
