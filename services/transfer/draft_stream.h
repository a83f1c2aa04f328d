// DraftStream: a channel's open drafts as one row of places for the bytes of a turn, so that answers fill records
// whatever their lengths.
//
// Positions count from the turn's first byte. Invariant: all drafts are finished by close(), in order, before the turn
// ends.
#pragma once

#include <sys/uio.h>

#include <array>

#include "dataplane/channel.h"

namespace sluice {

class DraftStream {
 public:
  explicit DraftStream(Channel& channel) : channel_(channel) {}
  ~DraftStream() { close(); }
  DraftStream(const DraftStream&) = delete;
  DraftStream& operator=(const DraftStream&) = delete;

  size_t position() const { return position_; }
  // There may be more room, but not in this turn.
  bool full() const { return count_ == kMaxDrafts; }
  // Bytes that there are places for.
  size_t room() const { return room_ - position_; }
  // Makes room for n more bytes; how many there are now, which may be less: the channel would block.
  size_t ensure(size_t n);
  // Bytes at the position, which moves on. There is room.
  void write(Bytes bytes);
  // The places of [from, from + n) are appended to `out`; how many were, up to its size.
  size_t places(size_t from, size_t n, std::span<iovec> out) const;
  // Over what was skipped before.
  void patch(size_t from, Bytes bytes);
  // Forward over what places() gave, or back over what turned out not to be needed.
  void move_to(size_t position) { position_ = position; }
  // What was written goes out, the rest is given back.
  void close();

 private:
  // More in one turn would leave the cache before it is sealed.
  static constexpr size_t kMaxDrafts = 32;

  Channel& channel_;
  std::array<DataDraft, kMaxDrafts> drafts_{};
  size_t count_ = 0;
  size_t room_ = 0;  // of all drafts
  size_t position_ = 0;
};

}  // namespace sluice
