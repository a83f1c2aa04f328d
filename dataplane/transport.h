// A connection's two byte streams as memory: what has been received, where it lies; what is to be sent, where it was
// sealed.
//
// Receiving: peek() shows bytes from an offset after the first unreleased one; they stay where they are, writable,
// until release(). Sending: SendRing::reserve() opens places in stream order, commit() closes them in the same order,
// flush() moves committed bytes out. Everybody else sees memory only; system calls and packets are the transport's.
#pragma once

#include <memory>
#include <span>

#include "base/bytes.h"
#include "dataplane/send_ring.h"

namespace sluice {

// Bytes before the first unreleased one that a transport leaves alone: an HMAC job writes its sequence number there. In
// a full ring they would otherwise be the newest received bytes.
inline constexpr size_t kReceiveHeadroom = 64;

// Told on the worker's thread when something has changed about a transport: bytes or the end came, room to send came,
// it broke.
class TransportWaker {
 public:
  virtual ~TransportWaker() = default;
  virtual void wake() = 0;
};

class Transport {
 public:
  explicit Transport(size_t send_capacity, size_t most_pieces = kMaxPieces)
      : send_ring_(std::make_unique<SendRing>(send_capacity, most_pieces)) {}
  virtual ~Transport() = default;

  // Received and not released.
  virtual size_t available() const = 0;
  // Fills `out` with the contiguous pieces that follow `offset`; returns how many.
  virtual size_t peek(size_t offset, std::span<MutableBytes> out) = 0;
  virtual void release(size_t n) = 0;
  // Takes in what the network has, as far as there is room. Never waits.
  virtual void receive() {}
  // False: full, so readiness of the descriptor means nothing until something is released.
  virtual bool can_receive() const { return true; }
  // The peer has closed its direction: what peek() shows is all there will be.
  virtual bool ended() const = 0;

  // The connection is gone, both ways.
  virtual bool broken() const { return false; }
  // To be watched for readiness, or -1.
  virtual int descriptor() const { return -1; }
  // True: it has no descriptor and tells the waker instead; null: nobody.
  virtual bool set_waker(TransportWaker*) { return false; }
  // The descriptor may stay unready to be read until so much is there; who asks for more than 1 looks on his own too.
  virtual void wake_for(size_t) {}

  // Where the last bytes came in: of a peer on this machine its core, of another the one that its packets interrupt; or
  // -1. Asks the system.
  virtual int peer_core() const { return -1; }

  SendRing& send_ring() { return *send_ring_; }
  bool has_unsent() const { return send_ring_->pending_bytes() > 0; }
  virtual void flush() = 0;
  // Nothing has moved for a while: memory that holds nothing goes back to the system.
  virtual void give_memory_back() { send_ring_->give_memory_back(); }

 protected:
  // At the end of the transport, by one whose bytes are still on their way then.
  std::unique_ptr<SendRing> take_send_ring() { return std::move(send_ring_); }

 private:
  std::unique_ptr<SendRing> send_ring_;
};

}  // namespace sluice
