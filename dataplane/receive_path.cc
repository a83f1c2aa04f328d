// Framing, staging and committing of received records.
#include "dataplane/receive_path.h"

#include <algorithm>

namespace sluice {
namespace {

// Length field, padding length, one byte of payload, the most padding: a longer record is no NEWKEYS.
constexpr uint32_t kLongestNewKeys = 4 + 1 + 1 + 255;

}  // namespace

// Walks the transport's pieces from the first unframed byte.
class ReceivePath::Cursor {
 public:
  Cursor(Transport& transport, size_t offset)
      : transport_(transport), offset_(offset), available_(transport.available() - offset) {
    load();
  }

  size_t available() const { return available_; }
  size_t offset() const { return offset_; }

  // The next n bytes if they lie in one piece, else null.
  uint8_t* contiguous(size_t n) const {
    return index_ < count_ && pieces_[index_].size() >= n ? pieces_[index_].data() : nullptr;
  }

  // The next n bytes, wherever they lie, copied.
  void copy(uint8_t* to, size_t n) const {
    size_t at = offset_;
    while (n > 0) {
      std::array<MutableBytes, 16> pieces;
      const size_t count = transport_.peek(at, pieces);
      SLUICE_CHECK(count > 0);
      for (size_t i = 0; i < count && n > 0; ++i) {
        const size_t part = std::min(n, pieces[i].size());
        std::memcpy(to, pieces[i].data(), part);
        to += part, at += part, n -= part;
      }
    }
  }

  void advance(size_t n) {
    offset_ += n;
    available_ -= n;
    while (n > 0 && index_ < count_) {
      const size_t part = std::min(n, pieces_[index_].size());
      pieces_[index_] = pieces_[index_].subspan(part);
      n -= part;
      if (pieces_[index_].empty()) ++index_;
    }
    if (index_ == count_ && available_ > 0) load();
  }

 private:
  void load() {
    index_ = 0;
    count_ = available_ > 0 ? transport_.peek(offset_, pieces_) : 0;
  }

  Transport& transport_;
  size_t offset_;
  size_t available_;
  size_t index_ = 0;
  size_t count_ = 0;
  std::array<MutableBytes, 16> pieces_;
};

ReceivePath::ReceivePath(Transport& transport, RecordPool& pool, uint32_t first_sequence)
    : transport_(transport),
      pool_(&pool),
      epochs_(Direction::open),
      deframer_(epochs_.current().suite()),
      sequence_(first_sequence) {}

ReceivePath::~ReceivePath() {
  for (size_t i = ring_.head(); i != ring_.tail(); ++i) {
    Slot& slot = ring_.at(i);
    if (slot.source_block) pool_->give(slot.source_block);
    if (slot.target_block) pool_->give(slot.target_block);
  }
}

void ReceivePath::frame(Dispatch& dispatch) {
  starved_ = false;
  Cursor cursor(transport_, framed_bytes_);
  while (!error_ && !framing_error_ && !ring_.full() && !epochs_.parked()) {
    if (newkeys_expected_ && last_may_be_newkeys_ && !ring_.empty()) break;
    if (!frame_one(cursor)) break;
  }
  hand_over(dispatch);
}

void ReceivePath::hand_over(Dispatch& dispatch) {
  // Records before keys need no driver: assign() has already called them open.
  while (staged_ != ring_.tail()) {
    CryptoOp& op = ring_.at(staged_).op;
    if (op.status == OpStatus::pending && !dispatch.stage(op)) break;
    ++staged_;
  }
}

bool ReceivePath::frame_one(Cursor& cursor) {
  std::array<uint8_t, 16> start;
  const uint8_t* first = cursor.contiguous(start.size());
  if (first == nullptr) {
    cursor.copy(start.data(), std::min(start.size(), cursor.available()));
    first = start.data();
  }
  Deframer::Answer answer = deframer_.next(cursor.available(), first);
  if (answer.kind == Deframer::Kind::length) {
    deframer_.give_length(ask_length(first));
    answer = deframer_.next(cursor.available(), first);
  }
  if (answer.kind == Deframer::Kind::need) {
    starved_ = true;
    return false;
  }
  if (answer.kind == Deframer::Kind::corrupt) {
    framing_error_ = answer.error;
    return false;
  }
  Slot& slot = ring_.spare();
  if (!place(slot, cursor, answer.bytes)) {
    deframer_.unread(answer.bytes);
    return false;
  }
  slot.poisoned = deframer_.poisoned();
  prepare_op(slot);
  ring_.push();
  last_may_be_newkeys_ = slot.op.length <= kLongestNewKeys;
  framed_bytes_ += answer.bytes;
  cursor.advance(answer.bytes);
  return true;
}

uint32_t ReceivePath::ask_length(const uint8_t* first) {
  KeyEpoch& epoch = epochs_.current();
  // The last candidate is software that serves everything, lengths included.
  const KeyEpoch::Candidate& reader = epoch.candidates().back();
  LengthQuestion question{reader.key.get(), first, sequence_, 0, epoch.next_iv()};
  epoch.length_reader().read_lengths({&question, 1});
  return question.length;
}

// Decides where the record is opened: where it lies, or in blocks when it spans pieces or its driver wants two places.
bool ReceivePath::place(Slot& slot, Cursor& cursor, uint32_t wire_bytes) {
  slot.source_block = slot.target_block = nullptr;
  slot.wire_bytes = wire_bytes;
  uint8_t* source = cursor.contiguous(wire_bytes);
  if (source == nullptr) {
    source = slot.source_block = pool_->take(wire_bytes);
    if (source == nullptr) return false;
    cursor.copy(source, wire_bytes);
    ++gathered_;
  }
  slot.op.src = slot.op.dst = source;
  if (epochs_.current().placement() == Placement::separate) {
    slot.target_block = pool_->take(wire_bytes);
    if (slot.target_block == nullptr) {
      if (slot.source_block) pool_->give(slot.source_block);
      return false;
    }
    slot.op.dst = slot.target_block;
  }
  return true;
}

void ReceivePath::prepare_op(Slot& slot) {
  KeyEpoch& epoch = epochs_.current();
  const CipherSuite& suite = epoch.suite();
  CryptoOp& op = slot.op;
  op.length = slot.wire_bytes - suite.tag_bytes;
  op.sequence = sequence_++;
  uint8_t* received_tag = const_cast<uint8_t*>(op.src) + op.length;
  if (suite.headroom > 0) {
    // The next record's sequence number goes where this tag ends, perhaps before this tag is compared.
    std::memcpy(slot.tag.data(), received_tag, suite.tag_bytes);
    op.tag = slot.tag.data();
  } else {
    op.tag = received_tag;
  }
  epoch.assign(op);
}

// One answer for a bad tag, bad padding and a bad length: see ErrorCode::corrupt_record.
std::optional<ErrorCode> ReceivePath::judge(const Slot& slot) const {
  const CryptoOp& op = slot.op;
  if (op.status == OpStatus::device_error) return ErrorCode::crypto_device;
  if (op.status != OpStatus::ok || slot.poisoned) return ErrorCode::corrupt_record;
  const uint32_t padding = op.dst[4];
  // Padding length byte, one byte of payload at least, padding.
  if (padding < kMinPadding || 1 + 1 + padding > op.length - 4) return ErrorCode::corrupt_record;
  return std::nullopt;
}

size_t ReceivePath::collect(std::span<Message> out) {
  size_t n = 0;
  while (n < out.size() && collected_ != staged_ && !error_) {
    Slot& slot = ring_.at(collected_);
    if (slot.op.status == OpStatus::pending) return n;
    error_ = judge(slot);
    if (error_) {
      wipe(slot.op.dst, slot.op.length);
      return n;
    }
    const uint32_t payload = slot.op.length - 4 - 1 - slot.op.dst[4];
    out[n++] = {{slot.op.dst + 5, payload}, slot.op.sequence, slot.op.dst[4]};
    ++collected_;
  }
  if (collected_ == ring_.tail() && !error_) error_ = framing_error_;
  return n;
}

void ReceivePath::release(size_t n) {
  SLUICE_CHECK(n <= collected_ - ring_.head());
  size_t bytes = 0;
  for (; n > 0; --n) {
    Slot& slot = ring_.at(ring_.head());
    bytes += slot.wire_bytes;
    if (slot.source_block) pool_->give(slot.source_block);
    if (slot.target_block) pool_->give(slot.target_block);
    ring_.pop();
  }
  framed_bytes_ -= bytes;
  transport_.release(bytes);
}

void ReceivePath::install(std::unique_ptr<KeyEpoch> next) {
  SLUICE_CHECK(next->direction() == Direction::open);
  if (epochs_.install(std::move(next))) deframer_ = Deframer(epochs_.current().suite());
}

void ReceivePath::turn_keys(bool reset_sequence) {
  SLUICE_CHECK(ring_.empty());
  if (reset_sequence) sequence_ = 0;
  if (epochs_.turn()) deframer_ = Deframer(epochs_.current().suite());
}

}  // namespace sluice
