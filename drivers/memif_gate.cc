// The interrupt thread's stay, and its turns.
#include "drivers/memif_gate.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>

namespace sluice {
namespace {

// So often it looks at what a peer has said: a peer that goes, or comes again, is noticed so late.
constexpr uint64_t kTurnsASecond = 50;
constexpr int kLooks = 2000;
constexpr timespec kApart{0, 1'000'000};

}  // namespace

std::shared_ptr<MemifGate> MemifGate::of_process() {
  static std::mutex mutex;
  static std::weak_ptr<MemifGate> one;
  const std::lock_guard lock(mutex);
  if (auto gate = one.lock()) return gate;
  auto gate = std::shared_ptr<MemifGate>(new MemifGate);
  gate->descriptor_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  gate->handle_ = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
  if (gate->descriptor_ < 0 || gate->handle_ == nullptr) return nullptr;
  rte_intr_fd_set(gate->handle_, gate->descriptor_);
  rte_intr_type_set(gate->handle_, RTE_INTR_HANDLE_EXT);
  gate->registered_ = rte_intr_callback_register(gate->handle_, stay, gate.get()) == 0;
  if (!gate->registered_) return nullptr;
  one = gate;
  return gate;
}

MemifGate::~MemifGate() {
  turn_.store(kEnding, std::memory_order_release);
  turn_.notify_all();
  if (registered_) rte_intr_callback_unregister_sync(handle_, stay, this);
  if (handle_ != nullptr) rte_intr_instance_free(handle_);
  if (descriptor_ >= 0) ::close(descriptor_);
}

// The interrupt thread. Its descriptor stays readable while there is a peer: let go, it works on whatever else is ready
// and is here again.
void MemifGate::stay(void* opaque) {
  auto* const gate = static_cast<MemifGate*>(opaque);
  uint32_t theirs = kTheirs;
  if (gate->turn_.compare_exchange_strong(theirs, kOurs, std::memory_order_acq_rel)) gate->turn_.wait(kOurs);
}

bool MemifGate::linked() const {
  return std::any_of(ports_.begin(), ports_.end(), [](uint16_t port) {
    rte_eth_link link{};
    return rte_eth_link_get_nowait(port, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
  });
}

void MemifGate::ask() {
  const uint64_t one = 1;
  if (!asked_) asked_ = ::write(descriptor_, &one, sizeof one) == sizeof one;
}

void MemifGate::let_go() {
  used_ = false;
  turn_.store(kTheirs, std::memory_order_release);
  turn_.notify_all();
}

void MemifGate::release() {
  uint64_t count;
  [[maybe_unused]] const ssize_t n = ::read(descriptor_, &count, sizeof count);
  asked_ = false;
  let_go();
}

bool MemifGate::enter() {
  if (!entered()) {
    if (!linked()) return false;
    ask();
    // It may want this core.
    ::sched_yield();
    return false;
  }
  const uint64_t now = rte_rdtsc();
  if (!used_) {
    used_ = true;
    since_ = now;
    if (!linked()) {
      // Nobody is there to be kept away from.
      release();
      return false;
    }
  }
  if (now - since_ < rte_get_tsc_hz() / kTurnsASecond) return true;
  let_go();
  return false;
}

void MemifGate::hold() {
  ask();
  for (int look = 0; look < kLooks && !entered(); ++look) ::nanosleep(&kApart, nullptr);
}

}  // namespace sluice
