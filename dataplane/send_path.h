// The way out: messages written in their place -> records sealed there -> bytes committed to the transport in order.
//
// Steps of a turn: reserve() opens places, the caller writes payloads, finish() closes them in any order; stage() gives
// finished records, in order, their header, padding, sequence number, epoch and IV; the worker submits and polls;
// commit() moves what is sealed, in order, to the transport.
// Invariant: a sequence number and an IV are given once, at stage(), to content that no longer changes.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/random.h"
#include "crypto_offload/dispatch.h"
#include "dataplane/epoch_turn.h"
#include "dataplane/order_ring.h"
#include "dataplane/packet_seen.h"
#include "dataplane/record_pool.h"
#include "dataplane/rekey_policy.h"
#include "dataplane/transport.h"

namespace sluice {

// Records of one session between reserve and commit.
inline constexpr size_t kSendDepth = 64;

// An open place for one message's payload.
struct Draft {
  MutableBytes payload;
  size_t position;
};

class SendPath {
 public:
  SendPath(Transport& transport, RecordPool& pool, uint32_t first_sequence = 0);
  // in_flight() must be 0, as for a ReceivePath.
  ~SendPath();
  SendPath(const SendPath&) = delete;
  SendPath& operator=(const SendPath&) = delete;

  // Room for a payload of at most n <= kMaxPayload bytes, or nothing: would block.
  std::optional<Draft> reserve(size_t n);
  // n bytes of the draft are the message; 0 drops the draft.
  void finish(const Draft& draft, size_t n);
  // The draft holds NEWKEYS: records after it use the installed next epoch. Strict key exchange resets the sequence.
  void finish_newkeys(const Draft& draft, size_t n, bool reset_sequence);

  // Asked before any record of the turn is sealed; with `refuse` nothing was staged and the session must end.
  RekeyAdvice stage(Dispatch& dispatch, uint64_t now_ns, const RekeyLimits& limits);
  // Returns the number of records that are now the transport's.
  size_t commit();

  // What stage() gave numbers, while somebody debugs packets.
  bool has_seen() const { return !seen_.empty(); }
  std::vector<PacketSeen> take_seen() { return std::exchange(seen_, {}); }

  std::optional<ErrorCode> error() const { return error_; }
  size_t in_work() const { return ring_.size(); }
  void give_memory_back() { ring_.give_memory_back(); }
  size_t in_flight() const { return epochs_.in_flight(); }
  void install(std::unique_ptr<KeyEpoch> next);
  // An installed epoch still waits for its NEWKEYS to be staged.
  bool has_next_epoch() const { return epochs_.next() != nullptr; }
  std::unique_ptr<KeyEpoch> take_drained() { return epochs_.take_drained(); }
  const KeyEpoch& epoch() const { return epochs_.current(); }
  // To another worker: its drivers first, then its memory. Nothing is in work.
  ResultOrText<void> move_to(const DriverSet& drivers);
  void move_to(RecordPool& pool) { pool_ = &pool; }

 private:
  enum class State : uint8_t { open, finished, dropped, sealing };
  struct Slot {
    CryptoOp op;
    const CipherSuite* suite;  // outlives the epoch, which may drain and go before the record is committed
    uint8_t* place;            // in the transport's ring
    uint8_t* block;            // the separate source of an asynchronous driver
    uint32_t reserved;
    uint32_t payload_bytes;
    State state;
    bool turns_keys;
    bool resets_sequence;
  };

  bool stage_one(Slot& slot, Dispatch& dispatch);
  void write_frame(Slot& slot, uint8_t* record);
  void turn_keys(bool reset_sequence);

  Transport& transport_;
  RecordPool* pool_;
  EpochTurn epochs_;
  KeyEpoch* reserving_;  // the epoch that drafts reserved now will be sealed with; null until it is installed
  OrderRing<Slot, kSendDepth> ring_;
  size_t staged_ = 0;
  uint32_t sequence_;
  CheapRandom padding_;
  std::vector<PacketSeen> seen_;
  std::optional<ErrorCode> error_;
};

}  // namespace sluice
