// MemifGate: who may touch a process's memifs: the one thread that moves their frames, or DPDK's interrupt thread that
// connects and disconnects them.
//
// DPDK 22.11 locks neither out: when a peer vanishes its interrupt thread unmaps the memory that the other thread is
// reading, and a port that is stopped loses it under the interrupt thread that is filling it. So the interrupt thread
// is kept in a callback of ours while ports are used, and gets a turn now and then, in which no frame is moved. There
// is one such thread, so there is one gate for all memifs.
#pragma once

#include <rte_interrupts.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace sluice {

class MemifGate {
 public:
  // Null: the kernel or DPDK has no room for it.
  static std::shared_ptr<MemifGate> of_process();
  ~MemifGate();
  MemifGate(const MemifGate&) = delete;
  MemifGate& operator=(const MemifGate&) = delete;

  // The thread that moves frames, before a burst. False: it is the interrupt thread's turn, or nobody is connected.
  bool enter();
  // What enter() said last.
  bool entered() const { return turn_.load(std::memory_order_acquire) == kOurs; }

  // Whose links are worth a stay; and no more.
  void add(uint16_t port) { ports_.push_back(port); }
  void remove(uint16_t port) { std::erase(ports_, port); }
  // Around starting and stopping a port. Waits for the interrupt thread, but not for ever.
  void hold();
  void release();

 private:
  static constexpr uint32_t kTheirs = 0, kOurs = 1, kEnding = 2;

  MemifGate() = default;
  static void stay(void* gate);
  bool linked() const;
  void ask();
  void let_go();

  std::vector<uint16_t> ports_;
  int descriptor_ = -1;  // readable: the interrupt thread is asked to come
  rte_intr_handle* handle_ = nullptr;
  bool registered_ = false;
  bool asked_ = false;
  bool used_ = false;  // since it is ours
  uint64_t since_ = 0;
  std::atomic<uint32_t> turn_{kTheirs};
};

}  // namespace sluice
