// Records into jobs, and jobs on when the descriptors that they wait for are readable.
#include "drivers/engine_driver.h"

#include <openssl/async.h>
#include <openssl/err.h>
#include <poll.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/secret.h"

namespace sluice {
namespace {

// An engine gives one descriptor for a job; what has more is asked at each turn.
constexpr size_t kDescriptors = 4;

int run_job(void* argument) {
  OpenSslDriver::run_one(**static_cast<CryptoOp**>(argument));
  return 1;
}

}  // namespace

struct EngineDriver::Key final : PreparedKey {
  // A slot's contexts: with the engine, or null where they cannot be had.
  std::unique_ptr<OpenSslKey> expand(const OpenSslEngine* engine) const {
    auto expanded = expand_openssl_key(*suite, direction, {cipher_key.view(), iv.view(), mac_key.view()}, engine);
    return std::unique_ptr<OpenSslKey>(expanded ? static_cast<OpenSslKey*>(expanded->release()) : nullptr);
  }

  const CipherSuite* suite = nullptr;
  Direction direction = Direction::seal;
  Secret cipher_key, iv, mac_key;  // for the slots that take the place of abandoned ones
  std::array<std::unique_ptr<OpenSslKey>, kFlightsOfKey> slots;
  std::unique_ptr<OpenSslKey> lengths;  // never under way
  uint32_t busy = 0;
};

struct EngineDriver::Flight {
  Flight() : wait(ASYNC_WAIT_CTX_new()), place(std::make_unique<uint8_t[]>(kMaxRecordLength + 4)) {
    SLUICE_CHECK(wait != nullptr);
  }
  ~Flight() { ASYNC_WAIT_CTX_free(wait); }

  CryptoOp* op = nullptr;  // null: free
  CryptoOp work;           // as op, with a slot's key and our place
  Key* key = nullptr;
  size_t slot = 0;
  ASYNC_JOB* job = nullptr;  // null: not paused
  ASYNC_WAIT_CTX* wait;
  std::unique_ptr<uint8_t[]> place;
  std::array<uint8_t, kMaxTagBytes> tag{};
};

EngineDriver::EngineDriver(std::shared_ptr<OpenSslEngine> engine)
    : engine_(std::move(engine)), name_("openssl:" + engine_->id()) {
  for (auto& flight : flights_) flight = std::make_unique<Flight>();
}

EngineDriver::~EngineDriver() { stop(); }

Support EngineDriver::supports(const CipherSuite& suite) const {
  if (suite.is_plain()) return Support::no("protects nothing");
  if (!engine_->has_cipher(EVP_CIPHER_get_nid(evp_cipher(suite)))) {
    return Support::no("engine " + engine_->id() + " has no " + std::string(suite.cipher->ssh_name));
  }
  return {true, {}, kMaxRecordLength + 4, 128, 1};
}

ResultOrText<std::unique_ptr<PreparedKey>> EngineDriver::prepare(const CipherSuite& suite, Direction direction,
                                                                 const KeyMaterial& keys) {
  auto key = std::make_unique<Key>();
  key->suite = &suite;
  key->direction = direction;
  key->cipher_key = Secret(keys.cipher_key);
  key->iv = Secret(keys.iv);
  key->mac_key = Secret(keys.mac_key);
  const auto expand = [&](std::unique_ptr<OpenSslKey>& place, const OpenSslEngine* engine) -> ResultOrText<void> {
    auto expanded = expand_openssl_key(suite, direction, keys, engine);
    if (!expanded) return fail(expanded.error());
    place.reset(static_cast<OpenSslKey*>(expanded->release()));
    return {};
  };
  if (auto made = expand(key->lengths, nullptr); !made) return fail(made.error());
  for (auto& slot : key->slots)
    if (auto made = expand(slot, engine_.get()); !made) return fail(made.error());
  return key;
}

// Where no slot could be made again: refused, it would stand before everybody else's records for good.
bool EngineDriver::take_in_software(CryptoOp& op) {
  auto& key = static_cast<Key&>(*op.key);
  if (std::any_of(key.slots.begin(), key.slots.end(), [](const auto& slot) { return slot != nullptr; })) return false;
  PreparedKey* outer = std::exchange(op.key, key.lengths.get());
  OpenSslDriver::run_one(op);
  op.key = outer;
  done_.push(op);
  return true;
}

// 1. a free flight  2. a free slot of the key  3. begin; what does not pause is done
size_t EngineDriver::submit(std::span<CryptoOp* const> ops) {
  size_t taken = 0;
  for (CryptoOp* op : ops.first(std::min(ops.size(), done_.room() - paused_))) {
    const auto flight = std::find_if(flights_.begin(), flights_.end(), [](const auto& f) { return f->op == nullptr; });
    auto& key = static_cast<Key&>(*op->key);
    size_t slot = 0;
    while (slot < kFlightsOfKey && (!key.slots[slot] || (key.busy >> slot & 1) != 0)) ++slot;
    if (flight == flights_.end()) break;
    if (slot < kFlightsOfKey) {
      begin(**flight, *op, slot);
    } else if (!take_in_software(*op)) {
      break;
    }
    ++taken;
  }
  return taken;
}

void EngineDriver::begin(Flight& flight, CryptoOp& op, size_t slot) {
  flight.op = &op;
  flight.key = static_cast<Key*>(op.key);
  flight.slot = slot;
  flight.key->busy |= 1u << slot;
  flight.work = op;
  flight.work.key = flight.key->slots[slot].get();
  // What is abandoned reads and writes nothing but ours.
  std::memcpy(flight.place.get(), op.src, op.length);
  flight.work.src = flight.work.dst = flight.place.get();
  flight.work.tag = flight.tag.data();
  const uint8_t tag_bytes = flight.key->slots[slot]->suite->tag_bytes;
  if (op.direction == Direction::open) std::memcpy(flight.tag.data(), op.tag, tag_bytes);
  if (go_on(flight)) {
    finish(flight);
  } else {
    ++paused_;
  }
}

bool EngineDriver::go_on(Flight& flight) {
  CryptoOp* work = &flight.work;
  int result = 0;
  switch (ASYNC_start_job(&flight.job, flight.wait, &result, run_job, &work, sizeof work)) {
    case ASYNC_PAUSE: return false;
    case ASYNC_FINISH: break;
    default:
      // There was no stack for it. One that has begun always goes on.
      SLUICE_CHECK(flight.job == nullptr);
      OpenSslDriver::run_one(flight.work);
  }
  flight.job = nullptr;
  return true;
}

void EngineDriver::finish(Flight& flight) {
  CryptoOp& op = *flight.op;
  op.status = flight.work.status;
  if (op.status == OpStatus::ok) {
    std::memcpy(op.dst, flight.place.get(), op.length);
    const uint8_t tag_bytes = flight.key->slots[flight.slot]->suite->tag_bytes;
    if (op.direction == Direction::seal) std::memcpy(op.tag, flight.tag.data(), tag_bytes);
  } else if (op.status == OpStatus::device_error) {
    ERR_clear_error();
    tell_first_failure();
  } else {
    wipe(op.dst, op.length);
  }
  flight.key->busy &= ~(1u << flight.slot);
  flight.op = nullptr;
  done_.push(op);
}

void EngineDriver::tell_first_failure() {
  if (std::exchange(told_, true)) return;
  log_line(LogLevel::warning, "crypto device " + name_ + " failed at a record; software does it");
}

size_t EngineDriver::poll(std::span<CryptoOp*> done) {
  if (paused_ > 0) resume_answered();
  return done_.pop(done);
}

void EngineDriver::resume_answered() {
  std::array<pollfd, kFlights * kDescriptors> waits;
  std::array<size_t, kFlights + 1> first_of{};
  size_t used = 0;
  for (size_t i = 0; i < kFlights; ++i) {
    first_of[i] = used;
    std::array<int, kDescriptors> descriptors;
    size_t count = 0;
    const Flight& flight = *flights_[i];
    if (flight.job == nullptr || ASYNC_WAIT_CTX_get_all_fds(flight.wait, nullptr, &count) != 1) continue;
    if (count > kDescriptors || ASYNC_WAIT_CTX_get_all_fds(flight.wait, descriptors.data(), &count) != 1) continue;
    for (size_t d = 0; d < count; ++d) waits[used++] = {descriptors[d], POLLIN, 0};
  }
  first_of[kFlights] = used;
  if (used > 0 && ::poll(waits.data(), used, 0) < 0) return;
  for (size_t i = 0; i < kFlights; ++i) {
    Flight& flight = *flights_[i];
    if (flight.job == nullptr) continue;
    const auto begin = waits.begin() + static_cast<ptrdiff_t>(first_of[i]);
    const auto end = waits.begin() + static_cast<ptrdiff_t>(first_of[i + 1]);
    const bool ready = begin == end || std::any_of(begin, end, [](const pollfd& w) { return w.revents != 0; });
    if (!ready || !go_on(flight)) continue;
    --paused_;
    finish(flight);
  }
}

bool EngineDriver::stop() {
  for (auto& flight : flights_) {
    if (flight->job == nullptr) continue;
    Key& key = *flight->key;
    (void)key.slots[flight->slot].release();
    key.slots[flight->slot] = key.expand(engine_.get());
    key.busy &= ~(1u << flight->slot);
    (void)flight.release();
    flight = std::make_unique<Flight>();
    --paused_;
  }
  return true;
}

void EngineDriver::read_lengths(std::span<LengthQuestion> questions) {
  for (LengthQuestion& question : questions) {
    auto& key = static_cast<Key&>(*question.key);
    PreparedKey* outer = std::exchange(question.key, key.lengths.get());
    software_.read_lengths({&question, 1});
    question.key = outer;
  }
}

}  // namespace sluice
