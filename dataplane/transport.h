// A connection's two byte streams as memory: what has been received, where it lies; what is to be sent, where it was
// sealed.
//
// Receiving: peek() shows bytes from an offset after the first unreleased one; they stay where they are, writable,
// until release(). The kReceiveHeadroom bytes before the first unreleased byte are writable and hold nothing that is
// still to be shown: an HMAC job puts a sequence number in front of its record. Sending: SendRing::reserve() opens
// places in stream order, commit() closes them in the same order, flush() moves committed bytes out. Everybody else
// sees memory only; system calls and packets are the transport's.
#pragma once

#include <span>

#include "base/bytes.h"
#include "dataplane/send_ring.h"

namespace sluice {

inline constexpr size_t kReceiveHeadroom = 64;

class Transport {
 public:
  explicit Transport(size_t send_capacity) : send_ring_(send_capacity) {}
  virtual ~Transport() = default;

  // Received and not released.
  virtual size_t available() const = 0;
  // Fills `out` with the contiguous pieces that follow `offset`; returns how many.
  virtual size_t peek(size_t offset, std::span<MutableBytes> out) = 0;
  virtual void release(size_t n) = 0;
  // The peer has closed its direction: what peek() shows is all there will be.
  virtual bool ended() const = 0;

  SendRing& send_ring() { return send_ring_; }
  virtual void flush() = 0;

 private:
  SendRing send_ring_;
};

}  // namespace sluice
