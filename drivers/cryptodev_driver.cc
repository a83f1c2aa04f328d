// Batches of records to a queue pair and back.
//
// Steps of a submit: describe each record to its slot's op (place, IV, AAD, tag), hand the burst over, take back what
// the queue had no room for. Of a poll: dequeue, and settle each op: who compares the tag is the session's form.
// Invariant: a slot is either free, or in flight and owned by the device, or described and not yet accepted inside
// submit().
#include "drivers/cryptodev_driver.h"

#include <algorithm>
#include <ctime>

#include "base/check.h"
#include "base/log.h"
#include "drivers/cryptodev_slot.h"
#include "drivers/done_queue.h"
#include "drivers/tag_check.h"

namespace sluice {
namespace {

constexpr size_t kBurst = 32;
// Copied records that one queue may hold: they cost 66 KiB each.
constexpr size_t kBounces = 64;
// How long a driver that is dropped waits for its device to give records back.
constexpr long kDrainNs = 100'000'000;

struct CryptodevKey final : PreparedKey {
  CryptodevKey(const CipherSuite& s, CryptodevDevice& d, CryptodevDevice::Session session)
      : suite(&s),
        device(&d),
        handle(session.handle),
        verdict(session.verdict),
        before(s.mac ? uint8_t{4} : uint8_t{0}) {}
  ~CryptodevKey() override { device->drop_session(handle); }

  const CipherSuite* suite;
  CryptodevDevice* device;
  void* handle;
  Verdict verdict;
  uint8_t before;  // bytes of sequence number in front of the record that the device hashes
};

void aim(rte_mbuf* mbuf, const uint8_t* at, rte_iova_t iova, uint32_t n) {
  mbuf->buf_addr = const_cast<uint8_t*>(at);
  rte_mbuf_iova_set(mbuf, iova);
  mbuf->data_off = 0;
  mbuf->buf_len = mbuf->data_len = static_cast<uint16_t>(n);
  mbuf->pkt_len = n;
}

rte_iova_t same_address(const uint8_t* p) { return reinterpret_cast<rte_iova_t>(p); }

class CryptodevDriver final : public CryptoDriver {
 public:
  CryptodevDriver(CryptodevDevice& device, uint16_t queue, std::unique_ptr<CryptodevSlots> slots)
      : device_(device),
        queue_(queue),
        reaches_all_(!device.reads_by_dma() && device.handoff() != Handoff::bounced),
        name_("cryptodev:" + device.name()),
        slots_(std::move(slots)) {}
  ~CryptodevDriver() override;

  std::string_view name() const override { return name_; }
  Placement placement() const override { return Placement::separate; }
  DriverKind kind() const override { return DriverKind::hardware; }
  Support supports(const CipherSuite& suite) const override { return device_.supports(suite); }
  ResultOrText<std::unique_ptr<PreparedKey>> prepare(const CipherSuite& suite, Direction direction,
                                                     const KeyMaterial& keys) override;
  // Takes another of the device's queue pairs.
  std::unique_ptr<CryptoDriver> sibling() const override;
  ResultOrText<bool> register_memory(MutableBytes memory) override { return device_.register_memory(memory); }
  size_t submit(std::span<CryptoOp* const> ops) override;
  size_t poll(std::span<CryptoOp*> done) override;
  bool stop() override;
  void read_lengths(std::span<LengthQuestion>) override {
    SLUICE_CHECK(false && "lengths are read by the software behind the devices");
  }

 private:
  rte_crypto_op* describe(CryptoOp& op);
  bool place(CryptoOp& op, CryptodevSlot& slot, rte_crypto_op* request, const CryptodevKey& key);
  void describe_aead(CryptoOp& op, CryptodevSlot& slot, rte_crypto_op* request, const CryptodevKey& key);
  void describe_chain(CryptoOp& op, CryptodevSlot& slot, rte_crypto_op* request, const CryptodevKey& key);
  size_t hand_over(std::span<rte_crypto_op*> burst);
  void take_back(rte_crypto_op* request);
  CryptoOp* settle(rte_crypto_op* request);

  CryptodevDevice& device_;
  uint16_t queue_;
  bool reaches_all_;
  std::string name_;
  std::unique_ptr<CryptodevSlots> slots_;
  DoneQueue refused_;  // by the device at once, while it was offered
  size_t in_flight_ = 0;
};

ResultOrText<std::unique_ptr<PreparedKey>> CryptodevDriver::prepare(const CipherSuite& suite, Direction direction,
                                                                    const KeyMaterial& keys) {
  // Not asked for what it lacks: crypto_openssl's PMD leaks a context with each session that it refuses.
  if (const Support support = supports(suite); !support.yes) return fail(support.reason);
  auto session = device_.make_session(suite, direction, keys);
  if (!session) return fail(session.error());
  return std::make_unique<CryptodevKey>(suite, device_, *session);
}

std::unique_ptr<CryptoDriver> CryptodevDriver::sibling() const {
  auto other = make_cryptodev_driver(device_);
  return other ? std::move(*other) : nullptr;
}

size_t CryptodevDriver::submit(std::span<CryptoOp* const> ops) {
  size_t taken = 0;
  while (taken < ops.size()) {
    std::array<rte_crypto_op*, kBurst> burst;
    size_t described = 0;
    while (described < kBurst && taken + described < ops.size() && refused_.room() > described) {
      rte_crypto_op* request = describe(*ops[taken + described]);
      if (request == nullptr) break;
      burst[described++] = request;
    }
    if (described == 0) break;
    const size_t accepted = hand_over({burst.data(), described});
    taken += accepted;
    if (accepted < described) break;
  }
  return taken;
}

// Software devices compute while they are offered work: an op that they cannot do stays with us, marked, and is no sign
// of a full queue.
size_t CryptodevDriver::hand_over(std::span<rte_crypto_op*> burst) {
  size_t accepted = 0;
  while (accepted < burst.size()) {
    const size_t n = rte_cryptodev_enqueue_burst(device_.id(), queue_, burst.data() + accepted,
                                                 static_cast<uint16_t>(burst.size() - accepted));
    accepted += n;
    in_flight_ += n;
    if (accepted == burst.size() || burst[accepted]->status == RTE_CRYPTO_OP_STATUS_NOT_PROCESSED) break;
    CryptoOp& op = *slot_of(burst[accepted]).op;
    op.status = OpStatus::device_error;
    refused_.push(op);
    take_back(burst[accepted++]);
  }
  for (rte_crypto_op* request : burst.subspan(accepted)) take_back(request);
  return accepted;
}

void CryptodevDriver::take_back(rte_crypto_op* request) {
  CryptodevSlot& slot = slot_of(request);
  if (slot.bounce) slots_->give_block({slot.bounce, slot.src->buf_iova});
  slot.bounce = nullptr;
  slots_->give(request);
}

rte_crypto_op* CryptodevDriver::describe(CryptoOp& op) {
  if (slots_->available() == 0) return nullptr;
  const auto& key = static_cast<const CryptodevKey&>(*op.key);
  rte_crypto_op* request = slots_->take();
  CryptodevSlot& slot = slot_of(request);
  request->status = RTE_CRYPTO_OP_STATUS_NOT_PROCESSED;
  sym_of(request).session = key.handle;
  slot.op = &op;
  slot.iv = op.iv;
  if (!place(op, slot, request, key)) {
    slots_->give(request);
    return nullptr;
  }
  if (key.suite->is_aead()) {
    describe_aead(op, slot, request, key);
  } else {
    describe_chain(op, slot, request, key);
  }
  return request;
}

// Where the device works: from src to dst, inside dst, or inside a block of DPDK's. False when there is no block left.
bool CryptodevDriver::place(CryptoOp& op, CryptodevSlot& slot, rte_crypto_op* request, const CryptodevKey& key) {
  const uint8_t before = key.before;
  const uint32_t bytes = before + op.length;
  rte_crypto_sym_op& sym = sym_of(request);
  sym.m_src = slot.src;
  sym.m_dst = nullptr;
  const bool seal = op.direction == Direction::seal;
  const size_t written = bytes + (seal ? key.suite->tag_bytes : 0u);
  if (!reaches_all_ && !(device_.reaches(op.src - before, bytes) && device_.reaches(op.dst - before, written))) {
    if (!slots_->can_bounce()) return false;
    const BounceBlock block = slots_->take_block();
    slot.bounce = block.begin;
    const size_t room = slots_->headroom();
    std::memcpy(block.begin + room + before, op.src, op.length);
    if (before > 0) store_be32(block.begin + room, op.sequence);
    aim(slot.src, block.begin, block.iova, static_cast<uint32_t>(room + bytes + device_.info().min_mbuf_tailroom_req));
    slot.src->data_off = static_cast<uint16_t>(room);
    slot.src->data_len = static_cast<uint16_t>(bytes);
    slot.src->pkt_len = bytes;
    return true;
  }
  if (before > 0) store_be32(op.dst - before, op.sequence);
  const bool inside = op.src == op.dst || device_.handoff() == Handoff::in_dst;
  if (inside) {
    if (op.src != op.dst) std::memcpy(op.dst, op.src, op.length);
    aim(slot.src, op.dst - before, same_address(op.dst - before), bytes);
    return true;
  }
  // What a device copies beside the ciphered bytes differs from one to the next; these four are ours to put there.
  std::memcpy(op.dst, op.src, 4);
  if (before > 0) store_be32(const_cast<uint8_t*>(op.src) - before, op.sequence);
  aim(slot.src, op.src - before, same_address(op.src - before), bytes);
  aim(slot.dst, op.dst - before, same_address(op.dst - before), bytes);
  sym.m_dst = slot.dst;
  return true;
}

void CryptodevDriver::describe_aead(CryptoOp& op, CryptodevSlot& slot, rte_crypto_op* request,
                                    const CryptodevKey& key) {
  auto& aead = sym_of(request).aead;
  aead.data.offset = 4;
  aead.data.length = op.length - 4;
  std::memcpy(slot.aad.data(), op.src, 4);
  aead.aad.data = slot.aad.data();
  aead.aad.phys_addr = iova_in(request, slot.aad.data());
  const bool direct = op.direction == Direction::seal && slot.bounce == nullptr;
  if (op.direction == Direction::open) std::memcpy(slot.digest.data(), op.tag, key.suite->tag_bytes);
  aead.digest.data = direct ? op.tag : slot.digest.data();
  aead.digest.phys_addr = direct ? same_address(op.tag) : iova_in(request, slot.digest.data());
}

void CryptodevDriver::describe_chain(CryptoOp& op, CryptodevSlot& slot, rte_crypto_op* request,
                                     const CryptodevKey& key) {
  const CipherSuite& suite = *key.suite;
  rte_crypto_sym_op& sym = sym_of(request);
  sym.cipher.data.offset = key.before + uint32_t{suite.encrypted_from};
  sym.cipher.data.length = op.length - suite.encrypted_from;
  if (!suite.mac) {
    // A driver may write there all the same, and an op before this one left another place.
    sym.auth = {};
    sym.auth.digest.data = slot.digest.data();
    sym.auth.digest.phys_addr = iova_in(request, slot.digest.data());
    return;
  }
  sym.auth.data.offset = 0;
  sym.auth.data.length = 4 + op.length;
  const bool direct = op.direction == Direction::seal && slot.bounce == nullptr;
  if (key.verdict == Verdict::device) std::memcpy(slot.digest.data(), op.tag, suite.tag_bytes);
  sym.auth.digest.data = direct ? op.tag : slot.digest.data();
  sym.auth.digest.phys_addr = direct ? same_address(op.tag) : iova_in(request, slot.digest.data());
}

size_t CryptodevDriver::poll(std::span<CryptoOp*> done) {
  size_t n = refused_.size() > 0 ? refused_.pop(done) : 0;
  while (n < done.size() && in_flight_ > 0) {
    std::array<rte_crypto_op*, kBurst> burst;
    const size_t most = std::min({done.size() - n, kBurst, in_flight_});
    const size_t got = rte_cryptodev_dequeue_burst(device_.id(), queue_, burst.data(), static_cast<uint16_t>(most));
    for (size_t i = 0; i < got; ++i) done[n++] = settle(burst[i]);
    in_flight_ -= got;
    if (got < most) break;
  }
  return n;
}

// DPDK stops whole devices, which other workers use: this queue is stopped when it has given everything back. A device
// that keeps some keeps their memory too, and stays out of service.
bool CryptodevDriver::stop() {
  std::array<CryptoOp*, kBurst> refused;
  while (refused_.pop(refused) > 0) {}
  std::array<rte_crypto_op*, kBurst> burst;
  while (in_flight_ > 0) {
    const size_t got = rte_cryptodev_dequeue_burst(device_.id(), queue_, burst.data(), kBurst);
    if (got == 0) return false;
    for (size_t i = 0; i < got; ++i) take_back(burst[i]);
    in_flight_ -= got;
  }
  return true;
}

CryptoOp* CryptodevDriver::settle(rte_crypto_op* request) {
  CryptodevSlot& slot = slot_of(request);
  CryptoOp& op = *slot.op;
  const auto& key = static_cast<const CryptodevKey&>(*op.key);
  const bool seal = op.direction == Direction::seal;
  const bool success = request->status == RTE_CRYPTO_OP_STATUS_SUCCESS;
  if (success && slot.bounce != nullptr) {
    std::memcpy(op.dst, slot.bounce + slots_->headroom() + key.before, op.length);
    if (seal) std::memcpy(op.tag, slot.digest.data(), key.suite->tag_bytes);
  }
  if (success && !seal && key.verdict == Verdict::ours) {
    settle_opened(op, slot.digest.data(), key.suite->tag_bytes);
  } else if (success) {
    op.status = OpStatus::ok;
  } else if (!seal && request->status == RTE_CRYPTO_OP_STATUS_AUTH_FAILED) {
    wipe(op.dst, op.length);
    op.status = OpStatus::bad_tag;
  } else {
    op.status = OpStatus::device_error;
  }
  take_back(request);
  return &op;
}

// A device that does not give its records back may still write to them: then queue and slots stay taken for good.
CryptodevDriver::~CryptodevDriver() {
  const auto now = [] {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1'000'000'000L + t.tv_nsec;
  };
  const long until = now() + kDrainNs;
  std::array<rte_crypto_op*, kBurst> burst;
  while (in_flight_ > 0 && now() < until) {
    in_flight_ -= rte_cryptodev_dequeue_burst(device_.id(), queue_, burst.data(), kBurst);
  }
  if (in_flight_ == 0) {
    device_.give_queue(queue_);
    return;
  }
  log_line(LogLevel::error, name_ + " kept " + std::to_string(in_flight_) +
                                " records when its driver was dropped: its queue pair stays out of use");
  CryptodevSlots::abandon(std::move(slots_));
}

}  // namespace

ResultOrText<std::unique_ptr<CryptoDriver>> make_cryptodev_driver(CryptodevDevice& device) {
  const auto queue = device.take_queue();
  if (!queue) return fail("every queue pair of " + device.name() + " has a driver already");
  const bool bounces = device.reads_by_dma() || device.handoff() == Handoff::bounced;
  auto slots = CryptodevSlots::make(device.depth(), bounces ? kBounces : 0, device.info().min_mbuf_headroom_req,
                                    device.info().min_mbuf_tailroom_req, device.numa_node());
  if (!slots) {
    device.give_queue(*queue);
    return fail(device.name() + ": " + slots.error());
  }
  return std::make_unique<CryptodevDriver>(device, *queue, std::move(*slots));
}

}  // namespace sluice
