// LinkStream: one direction of a relayed connection: a bounded buffer of bytes that each wait for their time.
#pragma once

#include <deque>
#include <memory>

#include "tests/link/link_schedule.h"

namespace sluice::link {

class LinkStream {
 public:
  LinkStream(const PathSettings& settings, size_t buffer, int from, int to);

  // Takes what `from` has, unless the buffer is full, and at most `most`. False: the connection broke.
  bool take(uint64_t now, uint64_t most);
  // Gives `to` what is due. False: the connection broke.
  bool give(uint64_t now);
  // The end of the stream is passed on as bytes are: in its time.
  void end(uint64_t now);

  bool wants_bytes() const { return !end_seen_ && held_ < size_; }
  bool wants_to_write(uint64_t now) const { return !ended_ && !waiting_.empty() && waiting_.front().due <= now; }
  // 0: nothing waits.
  uint64_t next_due() const { return waiting_.empty() ? 0 : waiting_.front().due; }
  bool ended() const { return ended_; }
  uint64_t taken() const { return taken_; }
  uint64_t given() const { return given_; }
  uint64_t losses() const { return schedule_.losses(); }

 private:
  // A portion of 0 bytes is the end.
  struct Portion {
    size_t bytes;
    uint64_t due;
  };
  void enter(uint64_t now, size_t bytes);

  LinkSchedule schedule_;
  const size_t size_;
  const int from_, to_;
  std::unique_ptr<uint8_t[]> ring_;
  size_t first_ = 0, held_ = 0;
  std::deque<Portion> waiting_;
  uint64_t taken_ = 0, given_ = 0;
  bool end_seen_ = false, ended_ = false;
};

}  // namespace sluice::link
