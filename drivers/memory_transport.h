// A transport without a network: what one end flushes, the other end receives. For tests, fuzzing and benchmarks.
//
// `chop` limits the size of the pieces that peek() shows, so that records span pieces as they do in packets.
#pragma once

#include "base/mirrored_memory.h"
#include "dataplane/transport.h"

namespace sluice {

class MemoryTransport : public Transport {
 public:
  explicit MemoryTransport(size_t capacity, size_t chop = 0) : Transport(capacity), received_(capacity), chop_(chop) {}

  static void connect(MemoryTransport& a, MemoryTransport& b) { a.peer_ = &b, b.peer_ = &a; }

  size_t available() const override { return end_ - begin_; }
  size_t peek(size_t offset, std::span<MutableBytes> out) override;
  void release(size_t n) override;
  bool ended() const override { return ended_; }
  void flush() override;

  using Transport::receive;
  // What a network would bring: at most as much as there is room for; returns how much.
  size_t receive(Bytes bytes);
  void end() { ended_ = true; }
  // Forgets what was committed, as if it had been sent.
  void discard_sent() { send_ring().sent(send_ring().pending_bytes()); }

 private:
  MirroredMemory received_;
  MemoryTransport* peer_ = nullptr;
  size_t chop_;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool ended_ = false;
};

}  // namespace sluice
