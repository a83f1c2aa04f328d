// The way in: received bytes -> frames -> opened records -> messages, in the order of the wire.
//
// Steps of a turn: frame() deframes what has arrived, gives each record its sequence number, epoch and IV, appends it
// to the order ring and stages it; the worker submits and polls; collect() shows messages whose records are open and
// whose turn it is; release() gives their bytes back to the transport.
// Invariant: no byte of a record is visible before its tag and padding were verified and all records before it were
// collected. After the first bad record nothing more is ever shown.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "crypto_offload/dispatch.h"
#include "dataplane/deframer.h"
#include "dataplane/epoch_turn.h"
#include "dataplane/order_ring.h"
#include "dataplane/record_pool.h"
#include "dataplane/transport.h"

namespace sluice {

// Records of one session between framing and release. Bounds what one peer can have in work.
inline constexpr size_t kReceiveDepth = 64;

struct Message {
  MutableBytes payload;  // starts with the message number; valid until released
  uint32_t sequence;
  uint8_t padding = 0;
  uint8_t number() const { return payload[0]; }
};

class ReceivePath {
 public:
  ReceivePath(Transport& transport, RecordPool& pool, uint32_t first_sequence = 0);
  // in_flight() must be 0: drivers, and devices that were not stopped yet, own the memory of what is in flight.
  ~ReceivePath();
  ReceivePath(const ReceivePath&) = delete;
  ReceivePath& operator=(const ReceivePath&) = delete;

  void frame(Dispatch& dispatch);
  // The part of frame() that a path which is closing still needs: until in_flight() is 0.
  void hand_over(Dispatch& dispatch);
  size_t collect(std::span<Message> out);
  // The n oldest collected messages are done with.
  void release(size_t n);

  // The first error, once every message before it was collected.
  std::optional<ErrorCode> error() const { return error_; }
  size_t in_work() const { return ring_.size(); }
  void give_memory_back() { ring_.give_memory_back(); }
  size_t in_flight() const { return epochs_.in_flight(); }
  // Whether framing stopped for want of bytes, and for nothing else: then an ended stream has nothing more to give.
  bool starved() const { return starved_; }
  // Records that have their numbers and IVs and were not handed over yet: the dispatch was full.
  bool has_unstaged() const { return staged_ != ring_.tail(); }

  // RFC 4253 section 7.3: NEWKEYS changes the key of the very next record. From our own first key exchange message
  // until the peer's NEWKEYS was collected, nothing is framed behind a record so short that it may be one, before that
  // was released.
  void expect_newkeys(bool on) { newkeys_expected_ = on; }
  // The keys that the peer's NEWKEYS will turn to.
  void install(std::unique_ptr<KeyEpoch> next);
  // On the peer's NEWKEYS, collected and released. Without an installed epoch the path parks until install().
  // Strict key exchange resets the sequence number.
  void turn_keys(bool reset_sequence);
  bool parked() const { return epochs_.parked(); }
  std::unique_ptr<KeyEpoch> take_drained() { return epochs_.take_drained(); }
  const KeyEpoch& epoch() const { return epochs_.current(); }
  uint64_t gathered() const { return gathered_; }
  // To another worker: its drivers first, then its memory. Nothing is in work.
  ResultOrText<void> move_to(const DriverSet& drivers) { return epochs_.move_to(drivers); }
  void move_to(RecordPool& pool) { pool_ = &pool; }

 private:
  struct Slot {
    CryptoOp op;
    std::array<uint8_t, kMaxTagBytes> tag;
    uint8_t* source_block;  // where a record that spanned pieces was made contiguous
    uint8_t* target_block;  // the separate place of an asynchronous driver
    uint32_t wire_bytes;
    bool poisoned;
  };
  class Cursor;

  bool frame_one(Cursor& cursor);
  uint32_t ask_length(const uint8_t* first);
  bool place(Slot& slot, Cursor& cursor, uint32_t wire_bytes);
  void prepare_op(Slot& slot);
  std::optional<ErrorCode> judge(const Slot& slot) const;

  Transport& transport_;
  RecordPool* pool_;
  EpochTurn epochs_;
  Deframer deframer_;
  OrderRing<Slot, kReceiveDepth> ring_;
  size_t staged_ = 0;     // ring positions below are with the dispatch or finished
  size_t collected_ = 0;  // ring positions below were shown
  size_t framed_bytes_ = 0;
  uint64_t gathered_ = 0;
  uint32_t sequence_;
  bool newkeys_expected_ = false;
  bool last_may_be_newkeys_ = false;  // of the framed ones
  bool starved_ = false;
  std::optional<ErrorCode> framing_error_;  // behind the records in the ring
  std::optional<ErrorCode> error_;
};

}  // namespace sluice
