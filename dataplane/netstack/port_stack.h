// PortStack: one queue of a port with its network layer and its TCP, turned by one worker; and the doors through which
// other threads open, close and refuse connections.
//
// A connection lives on the queue where it began. What the worker's thread does with it comes by way of the transport;
// what control decides comes as an errand, done in the next turn.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "dataplane/netstack/net_port.h"
#include "dataplane/netstack/network_layer.h"
#include "dataplane/netstack/tcp_stack.h"
#include "dataplane/netstack/tcp_transport.h"
#include "dataplane/poller.h"

namespace sluice {

// Somebody has connected to us, and nobody has judged him yet.
struct PortArrival {
  std::unique_ptr<Transport> transport;
  IpEndpoints ends;
};

struct PortStackSettings {
  NetSettings net;
  TcpSettings tcp;
  std::vector<uint16_t> listen_on;  // on every address of ours
  uint8_t traffic_class = 0;
  bool shares_port = false;  // its queue is one of several
};

class PortStack final : public Poller, private FrameReceiver, private TcpAcceptor {
 public:
  // How an opened connection ended up: the transport, or why there is none.
  using Opened = std::function<void(std::unique_ptr<Transport>, IpEndpoints, TcpEnd)>;

  PortStack(PortQueue& queue, const PortStackSettings& settings);
  ~PortStack() override;

  // Turns, on the worker's thread.
  bool take_in() override;
  void send_out() override;
  uint64_t may_sleep_ns() override;
  int descriptor() const override { return watched_.get(); }

  // In place of the worker, when it has ended: what was said last still goes out, and is acknowledged, within so long.
  void finish(uint64_t most_ns);

  // --- any thread
  // Readable when there are arrivals.
  int arrivals_descriptor() const { return arrived_.get(); }
  std::vector<PortArrival> arrivals();
  // Says that line and closes.
  void turn_away(std::unique_ptr<Transport> transport, std::string line);
  // False: whoever comes is reset.
  void accept_more(bool yes) { accepts_.store(yes, std::memory_order_relaxed); }
  // Calls back on the worker's thread.
  void connect(const IpEndpoint& to, uint64_t patience_ns, Opened opened);
  // Counters and each connection, as of soon: calls back on the worker's thread.
  void show(std::function<void(std::string)> shown);
  // The connections alone.
  void list(std::function<void(std::vector<TcpConnectionFacts>)> listed);

 private:
  struct Opening {
    std::unique_ptr<TcpTransport> transport;
    IpEndpoint to;
    uint64_t give_up_ns;
    Opened opened;
  };

  void on_frame(MutableBytes frame, std::span<const Bytes> more, FrameFacts facts) override;
  void accept(std::unique_ptr<TcpTransport> connection) override;
  void do_errand(std::function<void()> errand);
  bool do_errands();
  void look_at_openings();
  std::string describe() const;

  PortQueue& queue_;
  PortStackSettings settings_;
  NetworkLayer network_;
  TcpStack tcp_;
  uint64_t now_ns_;
  uint64_t ticked_ns_ = 0;
  size_t turn_bytes_ = 0;    // received in this turn
  size_t burst_ = SIZE_MAX;  // frames to be asked for at once
  uint64_t moved_ns_ = 0;
  int heat_ = 0;  // how often in a row frames came soon again
  uint64_t full_since_ns_ = 0;
  bool armed_ = false;
  bool slept_ = false;
  std::vector<Opening> openings_;

  UniqueFd watched_;  // the errands' wake-up and the queue's interrupts, as one
  UniqueFd errand_;
  UniqueFd arrived_;
  std::atomic<bool> accepts_{true};
  std::atomic<bool> has_errands_{false};
  std::mutex mutex_;
  std::deque<std::function<void()>> errands_;
  std::vector<PortArrival> arrivals_;
};

}  // namespace sluice
