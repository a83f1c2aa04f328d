// A driver behind a lock that nobody waits for, with the keys that were used last.
#include "drivers/engine/lent_device.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <mutex>
#include <new>

#include "base/clock.h"
#include "base/log.h"
#include "drivers/driver_registry.h"

namespace sluice {
namespace {

// Keys of that many contexts stay prepared.
constexpr size_t kKeys = 64;
// What is not back by then never comes: the device is left alone with its memory.
constexpr uint64_t kDeadlineNs = uint64_t{100} * 1000000;
constexpr size_t kRoom = 64;  // before and behind a piece: AAD, tag, whole cache lines

std::atomic<LentDevice*> g_device{nullptr};
std::atomic<bool> g_in_child{false};
// A device's driver may use OpenSSL itself, and so come back to us.
thread_local bool t_inside = false;

// For an operator who asks by the environment: nothing else of a foreign program would show it.
void tell_at_the_end() {
  const LentDevice* device = LentDevice::usable();
  if (device == nullptr) return;
  std::fprintf(stderr, "sluice: the crypto device did %llu pieces\n",
               static_cast<unsigned long long>(device->pieces()));
}

struct Visit {
  Visit() { t_inside = true; }
  ~Visit() { t_inside = false; }
};

}  // namespace

struct LentDevice::Inside {
  using KeyBytes = std::array<uint8_t, 32>;
  struct PreparedFor {
    const CipherSuite* suite;
    Direction direction;
    KeyBytes bytes;
    std::unique_ptr<PreparedKey> key;
  };

  struct Forgotten {
    size_t size;
    KeyBytes bytes;
  };

  PreparedKey* prepared(const CipherSuite& suite, Bytes key, Direction direction);
  bool compute(CryptoOp& op);
  // Of a key that no context has, and of what was written down while the device was in use. With the mutex.
  void drop(Bytes key);
  void drop_forgotten();
  // Without it: nothing that was written down meanwhile stays.
  void settle();

  std::mutex mutex;
  std::mutex forgotten_mutex;
  std::array<Forgotten, kKeys> forgotten;
  size_t forgotten_count = 0;
  std::unique_ptr<CryptoDriver> driver;
  std::list<PreparedFor> keys;  // the last used first
  std::unique_ptr<uint8_t[]> source = std::make_unique<uint8_t[]>(kDeviceMostBytes + 2 * kRoom);
  std::unique_ptr<uint8_t[]> target = std::make_unique<uint8_t[]>(kDeviceMostBytes + 2 * kRoom);
  CryptoOp op;
  bool lost = false;
};

PreparedKey* LentDevice::Inside::prepared(const CipherSuite& suite, Bytes key, Direction direction) {
  const auto found = std::find_if(keys.begin(), keys.end(), [&](const PreparedFor& k) {
    return k.suite == &suite && k.direction == direction && std::equal(key.begin(), key.end(), k.bytes.begin());
  });
  if (found != keys.end()) {
    keys.splice(keys.begin(), keys, found);
    return keys.front().key.get();
  }
  if (!driver->supports(suite).yes) return nullptr;
  auto made = driver->prepare(suite, direction, {key, {}, {}});
  if (!made) return nullptr;
  if (keys.size() == kKeys) {
    wipe(keys.back().bytes.data(), keys.back().bytes.size());
    keys.pop_back();
  }
  keys.push_front({&suite, direction, {}, std::move(*made)});
  std::copy(key.begin(), key.end(), keys.front().bytes.begin());
  return keys.front().key.get();
}

bool LentDevice::Inside::compute(CryptoOp& work) {
  CryptoOp* given = &work;
  if (driver->submit({&given, 1}) != 1) return false;
  const uint64_t until = monotonic_clock().now_ns() + kDeadlineNs;
  CryptoOp* done = nullptr;
  while (driver->poll({&done, 1}) == 0) {
    // Looked at once more: it may be this thread that had no processor meanwhile, and not the device that was late.
    if (monotonic_clock().now_ns() < until) continue;
    if (driver->poll({&done, 1}) != 0) break;
    lost = true;
    log_line(LogLevel::error, std::string(driver->name()) + " does not answer: it is asked no more");
    return false;
  }
  return work.status == OpStatus::ok;
}

LentDevice::LentDevice(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
LentDevice::~LentDevice() = default;

bool LentDevice::open(const std::string& name) {
  static std::mutex mutex;
  static std::string opened;
  const std::lock_guard lock(mutex);
  if (!opened.empty()) return opened == name && usable() != nullptr;
  opened = name;
  // In a foreign program: what it did not ask for it does not read.
  set_log_level(LogLevel::error);
  const Visit visit;
  auto driver = make_driver(name);
  if (!driver) {
    log_line(LogLevel::error, "sluice: " + name + ": " + driver.error() + "; the CPU does its work");
    return false;
  }
  auto inside = std::make_unique<Inside>();
  inside->driver = std::move(*driver);
  if (::secure_getenv("SLUICE_DEVICE_COUNTS") != nullptr) std::atexit(tell_at_the_end);
  ::pthread_atfork(nullptr, nullptr, [] { g_in_child.store(true, std::memory_order_relaxed); });
  // For the life of the process, as its device.
  g_device.store(new LentDevice(std::move(inside)), std::memory_order_release);
  return true;
}

LentDevice* LentDevice::usable() {
  LentDevice* device = g_device.load(std::memory_order_acquire);
  return device != nullptr && !t_inside && !g_in_child.load(std::memory_order_relaxed) ? device : nullptr;
}

bool LentDevice::run_cipher(CipherKind kind, Bytes key, Direction direction, Bytes iv, uint8_t* dst, const uint8_t* src,
                            size_t n) {
  const CipherSuite* suite = bare_cipher(kind, key.size());
  return suite != nullptr && run(*suite, key, direction, iv, {}, dst, src, n, nullptr);
}

bool LentDevice::run_gcm(Bytes key, Direction direction, Bytes iv, Bytes aad, uint8_t* dst, const uint8_t* src,
                         size_t n, uint8_t* tag) {
  const CipherSuite* suite = find_suite(key.size() == 16 ? "aes128-gcm" : "aes256-gcm");
  if (suite == nullptr || suite->cipher->key_bytes != key.size() || aad.size() != 4) return false;
  return run(*suite, key, direction, iv, aad, dst, src, n, tag);
}

bool LentDevice::run(const CipherSuite& suite, Bytes key, Direction direction, Bytes iv, Bytes head, uint8_t* dst,
                     const uint8_t* src, size_t n, uint8_t* tag) {
  const Visit visit;
  bool done = false;
  {
    const std::unique_lock lock(inside_->mutex, std::try_to_lock);
    if (!lock.owns_lock() || inside_->lost || n > kDeviceMostBytes) return false;
    inside_->drop_forgotten();
    done = run_alone(suite, key, direction, iv, head, dst, src, n, tag);
  }
  inside_->settle();
  return done;
}

bool LentDevice::run_alone(const CipherSuite& suite, Bytes key, Direction direction, Bytes iv, Bytes head, uint8_t* dst,
                           const uint8_t* src, size_t n, uint8_t* tag) {
  PreparedKey* prepared = inside_->prepared(suite, key, direction);
  if (prepared == nullptr) return false;
  uint8_t* const from = inside_->source.get() + kRoom;
  uint8_t* const to = inside_->target.get() + kRoom;
  std::copy(head.begin(), head.end(), from);
  std::memcpy(from + head.size(), src, n);
  uint8_t* const tag_place = to + head.size() + n;
  if (tag != nullptr && direction == Direction::open) std::memcpy(tag_place, tag, suite.tag_bytes);
  CryptoOp& op = inside_->op;
  op = {};
  op.key = prepared;
  op.src = from;
  op.dst = to;
  op.tag = tag_place;
  op.length = static_cast<uint32_t>(head.size() + n);
  std::copy(iv.begin(), iv.end(), op.iv.begin());
  op.direction = direction;
  const bool computed = inside_->compute(op);
  if (computed) {
    pieces_.fetch_add(1, std::memory_order_relaxed);
    std::memcpy(dst, to + head.size(), n);
    if (tag != nullptr && direction == Direction::seal) std::memcpy(tag, tag_place, suite.tag_bytes);
  }
  // The text stays with the program; a device that was lost may still read and write here.
  if (!inside_->lost) wipe(direction == Direction::seal ? from : to, head.size() + n);
  return computed;
}

void LentDevice::Inside::drop(Bytes key) {
  keys.remove_if([&](PreparedFor& k) {
    if (k.suite->cipher->key_bytes != key.size() || !std::equal(key.begin(), key.end(), k.bytes.begin())) return false;
    wipe(k.bytes.data(), k.bytes.size());
    return true;
  });
}

void LentDevice::Inside::drop_forgotten() {
  const std::lock_guard lock(forgotten_mutex);
  for (size_t i = 0; i < forgotten_count; ++i) {
    drop({forgotten[i].bytes.data(), forgotten[i].size});
    wipe(forgotten[i].bytes.data(), forgotten[i].bytes.size());
  }
  forgotten_count = 0;
}

void LentDevice::Inside::settle() {
  while (true) {
    {
      const std::unique_lock lock(mutex, std::try_to_lock);
      // Who has it now looks here when he is done.
      if (!lock.owns_lock() || lost) return;
      drop_forgotten();
    }
    const std::lock_guard list(forgotten_mutex);
    if (forgotten_count == 0) return;
  }
}

size_t LentDevice::keys() const {
  const std::lock_guard lock(inside_->mutex);
  return inside_->keys.size();
}

void LentDevice::forget(Bytes key) {
  LentDevice* device = usable();
  if (device == nullptr || key.empty() || key.size() > sizeof(Inside::KeyBytes)) return;
  const Visit visit;
  Inside& inside = *device->inside_;
  {
    const std::lock_guard list(inside.forgotten_mutex);
    // As many as are prepared at most; one that finds no room goes when others push it out.
    if (inside.forgotten_count == kKeys) return;
    auto& entry = inside.forgotten[inside.forgotten_count++];
    entry.size = key.size();
    std::copy(key.begin(), key.end(), entry.bytes.begin());
  }
  inside.settle();
}

}  // namespace sluice
