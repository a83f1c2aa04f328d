// A port as its users see it: queues of frames, an Ethernet address, a link. What drives it is a driver's affair.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "dataplane/netstack/frame_sink.h"

namespace sluice {

class FrameReceiver {
 public:
  virtual ~FrameReceiver() = default;
  // The memory is the receiver's during the call; it may write there. More than a buffer holds follows in `more`.
  virtual void on_frame(MutableBytes frame, std::span<const Bytes> more, FrameFacts facts) = 0;
};

// One pair of queues, for one thread.
class PortQueue : public FrameSink {
 public:
  // Hands over what has come, `most` frames and a burst at most; returns how many.
  virtual size_t receive(FrameReceiver& receiver, size_t most = SIZE_MAX) = 0;
  // What send() took goes to the device; as much as it has room for.
  virtual void flush() = 0;
  virtual bool has_unsent() const = 0;
  // Who sent it is about to go: what the device has no room for is not sent any more.
  virtual void drop_unsent() {}

  // Frames that came by another queue and wait here: they interrupt nobody.
  virtual bool has_steered() const { return false; }
  // To be watched for readiness while armed; -1: the device has no interrupts, look again after a while.
  virtual int descriptor() const { return -1; }
  // From now on the descriptor tells of frames; what came before tells nothing: look once more. False: it cannot.
  virtual bool arm() { return false; }
  virtual void disarm() {}
};

class NetPort {
 public:
  virtual ~NetPort() = default;
  virtual std::array<uint8_t, 6> mac() const = 0;
  virtual size_t mtu() const = 0;
  virtual size_t queues() const = 0;
  virtual PortQueue& queue(size_t n) = 0;
  virtual bool link_up() const = 0;
  // What was opened, and what it does itself: one line.
  virtual std::string about() const = 0;
  // Counts of the device and ours: one line.
  virtual std::string statistics() const = 0;
};

struct PortSettings {
  std::string device;  // a PCI address, or a virtual device with its arguments: net_tap0,iface=sluice0
  size_t queues = 1;
  size_t mtu = 1500;
  // Frames are written there in pcap's format, for debugging; empty: nowhere.
  std::string capture;
};

}  // namespace sluice
