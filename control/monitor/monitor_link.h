// MonitorLink: packets over one end of a SOCK_SEQPACKET pair, without waiting; and the loop of the monitor's process.
#pragma once

#include <atomic>
#include <utility>

#include "control/monitor/monitor.h"

namespace sluice {

// Beyond this the monitor reads no more requests until its answers have been fetched.
inline constexpr size_t kMaxQueuedPackets = 256;

class MonitorLink {
 public:
  enum class Outcome : uint8_t { packet, would_block, ended };

  // Takes the descriptor and makes it non-blocking.
  explicit MonitorLink(int descriptor);
  ~MonitorLink();
  MonitorLink(const MonitorLink&) = delete;
  MonitorLink& operator=(const MonitorLink&) = delete;

  // Two connected ends, close-on-exec; -1 both when the kernel refused.
  static std::pair<int, int> make_pair();

  int descriptor() const { return descriptor_; }
  // False: the other side is gone.
  bool flush(PacketQueue& packets);
  // The packet stays valid until the next call, which wipes it.
  Outcome receive(Bytes& packet);

 private:
  int descriptor_;
  Secret buffer_;
  size_t used_ = 0;
};

// Serves until the other side is gone, breaks the protocol, or stop becomes true (seen within a second). False: the
// protocol was broken.
bool run_monitor(Monitor& monitor, Completions& completions, MonitorLink& link, const std::atomic<bool>& stop);

}  // namespace sluice
