// A transport over a connected stream socket of the kernel.
#pragma once

#include "base/mirrored_memory.h"
#include "dataplane/transport.h"

namespace sluice {

struct SocketTransportSize {
  // Both must hold the largest record that a peer may send, 256 KiB, with room to receive beside it.
  size_t receive = size_t{1} << 20;
  size_t send = size_t{1} << 20;
};

class SocketTransport final : public Transport {
 public:
  // Takes the descriptor over and makes it non-blocking.
  explicit SocketTransport(int descriptor, const SocketTransportSize& size = {});
  ~SocketTransport() override;

  size_t available() const override { return end_ - begin_; }
  size_t peek(size_t offset, std::span<MutableBytes> out) override;
  void release(size_t n) override;
  void receive() override;
  bool can_receive() const override { return !ended_ && end_ - begin_ < received_.size() - kReceiveHeadroom; }
  bool ended() const override { return ended_; }
  bool broken() const override { return broken_; }
  int descriptor() const override { return descriptor_; }
  void wake_for(size_t bytes) override;
  int peer_core() const override;
  void flush() override;
  void give_memory_back() override;

 private:
  int descriptor_;
  MirroredMemory received_;
  // Positions grow without wrapping until the ring is empty.
  size_t begin_ = kReceiveHeadroom;
  size_t end_ = kReceiveHeadroom;
  size_t most_used_ = 0;
  bool ended_ = false;
  bool broken_ = false;
};

}  // namespace sluice
