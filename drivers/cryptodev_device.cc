// Configuring, starting, and what control asks of a device.
#include "drivers/cryptodev_device.h"

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_memory.h>
#include <unistd.h>

#include <map>
#include <memory>

#include "base/random.h"
#include "drivers/cryptodev_slot.h"
#include "drivers/done_queue.h"
#include "drivers/dpdk_runtime.h"

namespace sluice {
namespace {

// Devices differ in what depths they take: the largest of these that works.
constexpr std::array<uint16_t, 3> kDescriptors{512, 256, 128};

std::string bus_name(const rte_cryptodev_info& info) {
  const rte_bus* bus = info.device ? rte_dev_bus(info.device) : nullptr;
  return bus ? rte_bus_name(bus) : "";
}

Handoff least_handoff(const rte_cryptodev_info& info, bool dma) {
  // It would write into the neighbours of a record in a stream.
  if (info.min_mbuf_headroom_req > 0 || info.min_mbuf_tailroom_req > 0) return Handoff::bounced;
  // Without an IOMMU a record's pages lie anywhere.
  if (dma && rte_eal_iova_mode() != RTE_IOVA_VA) return Handoff::bounced;
  const bool two_places = (info.feature_flags & RTE_CRYPTODEV_FF_OOP_LB_IN_LB_OUT) != 0;
  return two_places ? Handoff::direct : Handoff::in_dst;
}

}  // namespace

ResultOrText<CryptodevDevice*> CryptodevDevice::open(uint8_t id, const DpdkSettings& settings) {
  static std::mutex mutex;
  static std::map<uint8_t, std::unique_ptr<CryptodevDevice>> devices;
  const std::lock_guard lock(mutex);
  if (const auto known = devices.find(id); known != devices.end()) return known->second.get();
  std::unique_ptr<CryptodevDevice> device(new CryptodevDevice);
  device->id_ = id;
  device->name_ = rte_cryptodev_name_get(id);
  rte_cryptodev_info_get(id, &device->info_);
  if (auto why = device->start(settings); !why.empty()) return fail(device->name_ + ": " + why);
  return devices.emplace(id, std::move(device)).first->second.get();
}

std::string CryptodevDevice::start(const DpdkSettings& settings) {
  DpdkRuntime::complaints();
  const int node = rte_cryptodev_socket_id(id_);
  numa_node_ = node < 0 ? 0 : node;
  dma_ = bus_name(info_) != "vdev";
  handoff_ = std::max(least_handoff(info_, dma_), settings.handoff);
  if (info_.max_nb_queue_pairs == 0) return "it has no queue pair";
  const auto queues =
      static_cast<uint16_t>(std::min<unsigned>(info_.max_nb_queue_pairs, std::max<uint16_t>(settings.queue_pairs, 1)));
  // A scheduler's sessions hold one of each worker besides, from the same pool.
  sessions_ = rte_cryptodev_sym_session_pool_create(("sluice_keys_" + name_).substr(0, 24).c_str(), settings.sessions,
                                                    rte_cryptodev_sym_get_private_session_size(id_), 0, 0, numa_node_);
  if (sessions_ == nullptr) return "DPDK has no memory for its sessions: " + std::string(rte_strerror(rte_errno));
  for (const uint16_t descriptors : kDescriptors) {
    if (!set_up_queues(queues, descriptors)) continue;
    // One less: rings keep a place free.
    depth_ = std::min<size_t>(descriptors - 1u, kDriverDepth);
    break;
  }
  if (depth_ == 0) return "its queue pairs cannot be set up: " + DpdkRuntime::complaints();
  if (rte_cryptodev_start(id_) != 0) return "it does not start: " + DpdkRuntime::complaints();
  for (uint16_t queue = queues; queue > 0; --queue) free_queues_.push_back(static_cast<uint16_t>(queue - 1));
  return {};
}

bool CryptodevDevice::set_up_queues(uint16_t queues, uint16_t descriptors) {
  rte_cryptodev_config config{};
  config.socket_id = numa_node_;
  config.nb_queue_pairs = queues;
  config.ff_disable = RTE_CRYPTODEV_FF_ASYMMETRIC_CRYPTO | RTE_CRYPTODEV_FF_SECURITY;
  if (rte_cryptodev_configure(id_, &config) != 0) return false;
  rte_cryptodev_qp_conf queue{};
  queue.nb_descriptors = descriptors;
  queue.mp_session = sessions_;
  for (uint16_t i = 0; i < queues; ++i) {
    if (rte_cryptodev_queue_pair_setup(id_, i, &queue, numa_node_) != 0) return false;
  }
  return true;
}

bool CryptodevDevice::reaches(const uint8_t* begin, size_t size) const {
  if (handoff_ == Handoff::bounced) return false;
  if (!dma_) return true;
  const size_t count = region_count_.load(std::memory_order_acquire);
  for (size_t i = 0; i < count; ++i) {
    if (begin >= regions_[i].begin && begin + size <= regions_[i].end) return true;
  }
  return false;
}

ResultOrText<bool> CryptodevDevice::register_memory(MutableBytes memory) {
  if (!dma_) return false;
  if (handoff_ == Handoff::bounced) return fail(name_ + " cannot reach memory that is not DPDK's: records are copied");
  const std::lock_guard lock(mutex_);
  const size_t count = region_count_.load(std::memory_order_relaxed);
  if (count == kMaxRegions) return fail("memory was registered " + std::to_string(kMaxRegions) + " times already");
  // Whole pages, since that is what an IOMMU maps.
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(memory.data()) & ~(page - 1);
  const auto end = (reinterpret_cast<uintptr_t>(memory.data()) + memory.size() + page - 1) & ~(page - 1);
  void* address = reinterpret_cast<void*>(begin);
  // Another device may have brought it to DPDK's knowledge already.
  if (rte_extmem_register(address, end - begin, nullptr, 0, page) != 0 && rte_errno != EEXIST) {
    return fail("DPDK refuses the memory: " + std::string(rte_strerror(rte_errno)));
  }
  if (rte_dev_dma_map(info_.device, address, begin, end - begin) != 0) {
    return fail(name_ + " cannot map the memory: " + std::string(rte_strerror(rte_errno)));
  }
  regions_[count] = {memory.data(), memory.data() + memory.size()};
  region_count_.store(count + 1, std::memory_order_release);
  return true;
}

std::optional<uint16_t> CryptodevDevice::take_queue() {
  const std::lock_guard lock(mutex_);
  if (free_queues_.empty()) return std::nullopt;
  const uint16_t queue = free_queues_.back();
  free_queues_.pop_back();
  return queue;
}

void CryptodevDevice::give_queue(uint16_t queue) {
  const std::lock_guard lock(mutex_);
  free_queues_.push_back(queue);
}

Support CryptodevDevice::supports(const CipherSuite& suite) {
  const std::lock_guard lock(mutex_);
  auto& known = support_[suite.id];
  if (!known) {
    known = capable(id_, info_, suite);
    if (known->yes) known = try_sessions(suite);
    // An mbuf's sixteen bits count the room that the device wants around a record, too.
    known->longest -= std::min<uint32_t>(known->longest, info_.min_mbuf_headroom_req + info_.min_mbuf_tailroom_req);
  }
  return *known;
}

// Capabilities are listed one by one; which chains of them a device makes only a session tells.
Support CryptodevDevice::try_sessions(const CipherSuite& suite) {
  std::array<uint8_t, kMaxKeyBytes> cipher_key, mac_key;
  fill_random(cipher_key);
  fill_random(mac_key);
  const KeyMaterial keys{
      Bytes(cipher_key).first(suite.cipher->key_bytes), {}, Bytes(mac_key).first(suite.mac ? suite.mac->key_bytes : 0)};
  for (const Direction direction : {Direction::seal, Direction::open}) {
    const auto session = make_session_locked(suite, direction, keys);
    if (!session) return Support::no(session.error());
    drop_session_locked(session->handle);
  }
  return capable(id_, info_, suite);
}

ResultOrText<CryptodevDevice::Session> CryptodevDevice::make_session(const CipherSuite& suite, Direction direction,
                                                                     const KeyMaterial& keys) {
  const std::lock_guard lock(mutex_);
  return make_session_locked(suite, direction, keys);
}

ResultOrText<CryptodevDevice::Session> CryptodevDevice::make_session_locked(const CipherSuite& suite,
                                                                            Direction direction,
                                                                            const KeyMaterial& keys) {
  DpdkRuntime::complaints();
  for (const Verdict verdict : verdicts(suite, direction)) {
    SuiteTransforms transforms(suite, direction, keys, verdict, kIvOffset);
    void* handle = rte_cryptodev_sym_session_create(id_, transforms.first, sessions_);
    if (handle != nullptr) return Session{handle, suite.is_aead() ? Verdict::device : verdict};
  }
  if (rte_mempool_avail_count(sessions_) == 0) {
    return fail("all " + std::to_string(sessions_->size) + " sessions of the device are in use");
  }
  const std::string why = DpdkRuntime::complaints();
  return fail(std::string("it refuses a session to ") + (direction == Direction::seal ? "seal" : "open") + ": " +
              (why.empty() ? rte_strerror(rte_errno) : why));
}

void CryptodevDevice::drop_session(void* handle) {
  const std::lock_guard lock(mutex_);
  drop_session_locked(handle);
}

void CryptodevDevice::drop_session_locked(void* handle) {
  rte_cryptodev_sym_session_free(id_, handle);
  // Not every driver clears the expanded keys. Sessions are made under the same lock, so nobody else has it yet; what
  // the library needs in it, it writes when it makes the next one.
  wipe(handle, sessions_->elt_size);
}

}  // namespace sluice
