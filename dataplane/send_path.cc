// Reserving, framing, staging and committing of records to be sent.
#include "dataplane/send_path.h"

#include "base/check.h"
#include "base/debug_words.h"

namespace sluice {
namespace {

constexpr size_t kHeaderBytes = 5;  // length field and padding length

uint64_t padding_seed() {
  uint64_t seed;
  fill_random({reinterpret_cast<uint8_t*>(&seed), sizeof seed});
  return seed;
}

}  // namespace

SendPath::SendPath(Transport& transport, RecordPool& pool, uint32_t first_sequence)
    : transport_(transport),
      pool_(&pool),
      epochs_(Direction::seal),
      reserving_(&epochs_.current()),
      sequence_(first_sequence),
      padding_(padding_seed()) {}

SendPath::~SendPath() {
  for (size_t i = ring_.head(); i != ring_.tail(); ++i) {
    if (ring_.at(i).block) pool_->give(ring_.at(i).block);
  }
}

std::optional<Draft> SendPath::reserve(size_t n) {
  SLUICE_CHECK(n > 0 && n <= kMaxPayload);
  if (reserving_ == nullptr || ring_.full() || error_) return std::nullopt;
  const CipherSuite& suite = reserving_->suite();
  const uint32_t reserved = suite.headroom + record_length(suite, static_cast<uint32_t>(n)) + suite.tag_bytes;
  uint8_t* block = nullptr;
  if (reserving_->placement() == Placement::separate) {
    block = pool_->take(reserved);
    if (block == nullptr) return std::nullopt;
  }
  uint8_t* place = transport_.send_ring().reserve(reserved);
  if (place == nullptr) {
    if (block) pool_->give(block);
    return std::nullopt;
  }
  const size_t position = ring_.tail();
  Slot& slot = ring_.push();
  slot.suite = &suite;
  slot.place = place;
  slot.block = block;
  slot.reserved = reserved;
  slot.state = State::open;
  slot.turns_keys = slot.resets_sequence = false;
  uint8_t* record = block ? block : place + suite.headroom;
  return Draft{{record + kHeaderBytes, n}, position};
}

void SendPath::finish(const Draft& draft, size_t n) {
  Slot& slot = ring_.at(draft.position);
  SLUICE_CHECK(slot.state == State::open && n <= draft.payload.size());
  slot.payload_bytes = static_cast<uint32_t>(n);
  slot.state = n > 0 ? State::finished : State::dropped;
}

void SendPath::finish_newkeys(const Draft& draft, size_t n, bool reset_sequence) {
  // Nothing may be reserved behind it yet: such a draft would have been measured for the old suite.
  SLUICE_CHECK(draft.position + 1 == ring_.tail());
  finish(draft, n);
  ring_.at(draft.position).turns_keys = true;
  ring_.at(draft.position).resets_sequence = reset_sequence;
  reserving_ = epochs_.next();
}

RekeyAdvice SendPath::stage(Dispatch& dispatch, uint64_t now_ns, const RekeyLimits& limits) {
  const KeyEpoch& epoch = epochs_.current();
  const uint64_t age = now_ns > epoch.installed_at_ns() ? now_ns - epoch.installed_at_ns() : 0;
  const RekeyAdvice advice = rekey_advice(epoch.suite(), {epoch.bytes(), epoch.records(), age}, limits);
  if (advice == RekeyAdvice::refuse) {
    error_ = ErrorCode::key_exhausted;
    return advice;
  }
  while (staged_ != ring_.tail() && stage_one(ring_.at(staged_), dispatch)) ++staged_;
  return advice;
}

bool SendPath::stage_one(Slot& slot, Dispatch& dispatch) {
  if (slot.state == State::open || epochs_.parked()) return false;
  if (slot.state == State::dropped) return true;
  KeyEpoch& epoch = epochs_.current();
  const CipherSuite& suite = epoch.suite();
  SLUICE_CHECK(slot.suite == &suite);
  if (dispatch.full() || (slot.turns_keys && !epochs_.can_turn())) return false;
  // CBC: the next IV is this record's last block, which exists only when it is sealed.
  if (suite.chained && epoch.in_flight() > 0) return false;
  CryptoOp& op = slot.op;
  op.dst = slot.place + suite.headroom;
  uint8_t* source = slot.block ? slot.block : op.dst;
  op.src = source;
  op.length = record_length(suite, slot.payload_bytes);
  op.tag = op.dst + op.length;
  op.sequence = sequence_++;
  write_frame(slot, source);
  epoch.assign(op);
  slot.state = State::sealing;
  if (debugging(kDebugPackets) && seen_.size() < kSendDepth)
    seen_.push_back({&suite, op.sequence, slot.payload_bytes, source[4], source[kHeaderBytes], true});
  if (op.status == OpStatus::pending) SLUICE_CHECK(dispatch.stage(op));
  if (slot.turns_keys) turn_keys(slot.resets_sequence);
  return true;
}

// RFC 4253 section 6: length, padding length, payload, random padding.
void SendPath::write_frame(Slot& slot, uint8_t* record) {
  const uint32_t padding = slot.op.length - static_cast<uint32_t>(kHeaderBytes) - slot.payload_bytes;
  store_be32(record, slot.op.length - 4);
  record[4] = static_cast<uint8_t>(padding);
  padding_.fill({record + kHeaderBytes + slot.payload_bytes, padding});
}

size_t SendPath::commit() {
  size_t n = 0;
  SendRing& ring = transport_.send_ring();
  while (ring_.head() != staged_) {
    Slot& slot = ring_.at(ring_.head());
    const uint8_t* begin = nullptr;
    size_t bytes = 0;
    if (slot.state == State::sealing) {
      if (slot.op.status == OpStatus::pending) break;
      if (slot.op.status != OpStatus::ok) {
        error_ = ErrorCode::crypto_device;
        break;
      }
      begin = slot.op.dst;
      bytes = slot.op.length + slot.suite->tag_bytes;
    }
    if (!ring.commit(slot.reserved, begin, bytes)) break;
    if (slot.block) pool_->give(slot.block);
    ring_.pop();
    // A draft that came to nothing is no progress: who tries again each turn would keep its worker awake.
    n += bytes > 0;
  }
  return n;
}

void SendPath::install(std::unique_ptr<KeyEpoch> next) {
  SLUICE_CHECK(next->direction() == Direction::seal);
  KeyEpoch* epoch = next.get();
  epochs_.install(std::move(next));
  // NEWKEYS was finished before its keys came: drafts may go on now.
  if (reserving_ == nullptr) reserving_ = epoch;
}

ResultOrText<void> SendPath::move_to(const DriverSet& drivers) {
  const bool at_current = reserving_ == &epochs_.current();
  const auto moved = epochs_.move_to(drivers);
  if (reserving_ != nullptr) reserving_ = at_current ? &epochs_.current() : epochs_.next();
  return moved;
}

void SendPath::turn_keys(bool reset_sequence) {
  if (reset_sequence) sequence_ = 0;
  epochs_.turn();
}

}  // namespace sluice
