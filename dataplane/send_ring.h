// The outgoing stream: records are sealed at the place from which they are sent.
//
// Reservations are contiguous and follow each other in the ring. A committed piece may be any part of its reservation:
// the headroom in front of a record and what a short read left unused behind it are never sent. Invariant:
// sent <= committed <= reserved, all in ring order; bytes below `sent` are free again.
// A ring may use less than its memory: it turns round at its lap, so that what is written soon again stays in caches.
// One that is empty begins at its beginning again.
#pragma once

#include <memory>
#include <span>

#include "base/bytes.h"
#include "base/mirrored_memory.h"

namespace sluice {

// Pieces that are committed and not yet sent, usually. Bounds the work of one gathering write.
inline constexpr size_t kMaxPieces = 256;

class SendRing {
 public:
  explicit SendRing(size_t capacity, size_t most_pieces = kMaxPieces)
      : memory_(capacity), most_pieces_(most_pieces), lap_(memory_.size()) {}
  ~SendRing() { memory_.only_used(skip_ == 0 ? most_reserved_ : memory_.size()); }
  SendRing(const SendRing&) = delete;
  SendRing& operator=(const SendRing&) = delete;

  // Of a session that says nothing: pages and pieces, where nothing is reserved or waits. Made again when needed.
  void give_memory_back();

  size_t capacity() const { return memory_.size(); }
  size_t room() const;
  size_t lap() const { return lap_; }
  // At most the capacity. It may grow at any time, and never becomes less.
  void set_lap(size_t lap) { lap_ = lap; }

  // Null when there is no room: try again after the transport has sent some.
  uint8_t* reserve(size_t n);
  // Closes the oldest open reservation, of `reserved` bytes, and queues [begin, begin + n), which lies inside it.
  // n may be 0. False when the most pieces are queued: flush first.
  bool commit(size_t reserved, const uint8_t* begin, size_t n);

  // What to send, oldest first, neighbours joined.
  size_t pending(std::span<Bytes> out) const;
  // Up to n pending bytes from the offset-th on, for a transport that keeps them until they are acknowledged. Returns
  // how many pieces; `got` is how many bytes are in them.
  size_t view(size_t offset, size_t n, std::span<Bytes> out, size_t& got) const;
  size_t pending_bytes() const { return pending_bytes_; }
  // The first n pending bytes are gone and their memory is free.
  void sent(size_t n);

 private:
  struct Piece {
    const uint8_t* begin;
    size_t size;
    size_t position;  // of begin in the ring
    size_t frees_to;  // the position up to which the ring is free once the piece is sent
    size_t stream;    // bytes committed before it
  };
  Piece& piece(size_t i) { return pieces_[i % most_pieces_]; }
  const Piece& piece(size_t i) const { return pieces_[i % most_pieces_]; }

  // What the next reservation would leave out, to begin the next lap.
  size_t skip() const;

  MirroredMemory memory_;
  const size_t most_pieces_;
  size_t lap_;
  // The last part that was left out: as positions are at most the capacity apart, no two are in use at a time.
  size_t skip_ = 0;
  size_t skipped_at_ = 0;
  bool skip_open_ = false;  // the reservation behind it is not closed yet
  size_t reserved_ = 0;     // positions grow without wrapping until the ring is empty; modulo capacity is the place
  size_t most_reserved_ = 0;
  size_t committed_ = 0;
  size_t freed_ = 0;
  size_t pending_bytes_ = 0;
  size_t stream_ = 0;  // bytes ever committed
  size_t first_piece_ = 0;
  size_t end_piece_ = 0;
  std::unique_ptr<Piece[]> pieces_;
};

}  // namespace sluice
