// MonitorLink: packets over one end of a SOCK_SEQPACKET pair, without waiting; and the loop of the monitor's process.
#pragma once

#include <atomic>
#include <functional>
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
  // The packet stays valid until the next call, which wipes it. More than one descriptor with it ends the link.
  Outcome receive(Bytes& packet);
  // What came with the last packet, if anything; closed by the next receive() where nobody takes it.
  UniqueFd take_descriptor() { return std::move(received_); }

 private:
  int descriptor_;
  Secret buffer_;
  size_t used_ = 0;
  UniqueFd received_;
};

// Another descriptor of the monitor's thread: called when it is readable.
struct MonitorWatch {
  int descriptor;
  std::function<void()> readable;
};

// Serves until the other side is gone, breaks the protocol, or stop becomes true (seen within a second). False: the
// protocol was broken.
bool run_monitor(Monitor& monitor, Completions& completions, MonitorLink& link, const std::atomic<bool>& stop,
                 const std::vector<MonitorWatch>& watches = {});

}  // namespace sluice
