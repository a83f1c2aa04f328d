// DpdkPort: an ethdev of DPDK, opened with as many queue pairs as it and its user have.
#pragma once

#include <rte_ethdev.h>

#include <memory>
#include <vector>

#include "base/result.h"
#include "dataplane/netstack/net_port.h"
#include "drivers/frame_capture.h"
#include "drivers/memif_gate.h"

namespace sluice {

class DpdkPortQueue;

// What is left to the device, and what is done here.
struct PortAbilities {
  bool receive_checksum = false;
  bool send_checksum = false;
  bool cut = false;         // TSO
  bool many_parts = false;  // a frame may be a chain of buffers
  // The device, or its driver, reads any memory of this process before it takes the frame: payload goes from where it
  // lies. Others get a copy in DPDK's memory.
  bool any_memory = false;
  bool interrupts = false;
  bool spreads = false;  // RSS, alike in both directions: a connection stays on its queue
};

class DpdkPort final : public NetPort {
 public:
  // `id`: of a port that is there.
  static ResultOrText<std::unique_ptr<DpdkPort>> open(uint16_t id, const PortSettings& settings);
  ~DpdkPort() override;

  std::array<uint8_t, 6> mac() const override { return mac_; }
  size_t mtu() const override { return mtu_; }
  size_t queues() const override { return queues_.size(); }
  PortQueue& queue(size_t n) override;
  bool link_up() const override;
  std::string about() const override;
  std::string statistics() const override;

  uint16_t id() const { return id_; }
  const PortAbilities& abilities() const { return abilities_; }
  FrameCapture* capture() { return capture_.get(); }
  // Of a memif; null: bursts need nobody's leave.
  MemifGate* gate() { return gate_.get(); }
  // Whose frame it is where the device does not spread them; null: the queue's own that received it.
  DpdkPortQueue* owner_of(Bytes frame, const DpdkPortQueue* received_by);
  // What concerns every queue's user goes to the others too.
  void tell_others(Bytes frame, const DpdkPortQueue* received_by);

 private:
  DpdkPort(uint16_t id, const PortSettings& settings);
  ResultOrText<void> start();
  void meet_server();
  ResultOrText<void> configure(const rte_eth_dev_info& info);
  ResultOrText<void> set_up_queues(const rte_eth_dev_info& info);

  uint16_t id_;
  PortSettings settings_;
  std::string driver_;
  size_t mtu_ = 1500;
  std::array<uint8_t, 6> mac_{};
  PortAbilities abilities_;
  alignas(4) std::array<uint8_t, 40> steering_key_{};  // as long as Toeplitz' hash of 36 bytes wants
  std::unique_ptr<FrameCapture> capture_;
  std::shared_ptr<MemifGate> gate_;
  std::vector<std::unique_ptr<DpdkPortQueue>> queues_;
};

}  // namespace sluice
