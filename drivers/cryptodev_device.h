// One crypto device: configured and started once, its queue pairs lent to drivers, its sessions made under a lock.
//
// Devices live as long as the process: a queue pair can only be set up while the whole device is stopped, which would
// stop every worker on it.
#pragma once

#include <rte_cryptodev.h>

#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "crypto_offload/crypto_driver.h"
#include "drivers/cryptodev_suites.h"
#include "drivers/dpdk_settings.h"

namespace sluice {

// How often memory can be registered: RecordPools and the arenas of rings, not single rings.
inline constexpr size_t kMaxRegions = 64;

class CryptodevDevice {
 public:
  // Configures and starts the device on first use.
  static ResultOrText<CryptodevDevice*> open(uint8_t id, const DpdkSettings& settings);

  uint8_t id() const { return id_; }
  const std::string& name() const { return name_; }
  const rte_cryptodev_info& info() const { return info_; }
  int numa_node() const { return numa_node_; }
  size_t depth() const { return depth_; }
  Handoff handoff() const { return handoff_; }
  // Whether it reads memory by itself, over a bus, rather than by the CPU of whoever polls it.
  bool reads_by_dma() const { return dma_; }
  // Whether a record there needs no copy.
  bool reaches(const uint8_t* begin, size_t size) const;

  ResultOrText<bool> register_memory(MutableBytes memory);

  std::optional<uint16_t> take_queue();
  void give_queue(uint16_t queue);

  // With sessions made on trial: asked once a suite.
  Support supports(const CipherSuite& suite);
  struct Session {
    void* handle;
    Verdict verdict;
  };
  ResultOrText<Session> make_session(const CipherSuite& suite, Direction direction, const KeyMaterial& keys);
  void drop_session(void* handle);

 private:
  CryptodevDevice() = default;
  std::string start(const DpdkSettings& settings);
  bool set_up_queues(uint16_t queues, uint16_t descriptors);
  Support try_sessions(const CipherSuite& suite);
  ResultOrText<Session> make_session_locked(const CipherSuite& suite, Direction direction, const KeyMaterial& keys);
  void drop_session_locked(void* handle);

  struct Region {
    const uint8_t* begin;
    const uint8_t* end;
  };

  uint8_t id_ = 0;
  int numa_node_ = 0;
  bool dma_ = false;
  Handoff handoff_ = Handoff::direct;
  size_t depth_ = 0;
  std::string name_;
  rte_cryptodev_info info_{};
  rte_mempool* sessions_ = nullptr;
  std::mutex mutex_;
  std::vector<uint16_t> free_queues_;
  std::array<std::optional<Support>, kMaxSuites> support_;
  // Written by control while workers read: a region is complete before the count admits it.
  std::array<Region, kMaxRegions> regions_{};
  std::atomic<size_t> region_count_{0};
};

}  // namespace sluice
