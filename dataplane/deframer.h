// Finds where records begin and end in the received stream. No I/O, no crypto, no buffer.
//
// RFC 4253 section 6: packet_length counts padding length, payload and padding. Steps: need four bytes (or one cipher
// block) -> the length, read in clear or asked for -> need the rest -> a frame.
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "crypto_offload/cipher_suite.h"

namespace sluice {

// Before keys are exchanged only small messages are legitimate: what a stranger can make us hold.
inline constexpr uint32_t kMaxPlainRecordLength = 35000 + 4;

class Deframer {
 public:
  enum class Kind : uint8_t {
    need,     // `bytes` in all, counted from the record's start
    length,   // the length is encrypted: decrypt the first `bytes` bytes and give_length()
    frame,    // a whole record of `bytes`, its tag included
    corrupt,  // `error` says how
  };
  struct Answer {
    Kind kind;
    uint32_t bytes;
    ErrorCode error = ErrorCode::corrupt_record;
  };

  explicit Deframer(const CipherSuite& suite) : suite_(&suite) {}

  // `available` starts at a record's first byte. After a frame the next call starts the next record.
  Answer next(size_t available, const uint8_t* first);
  // The frame just announced could not be taken yet: announce it again. Its length stays known and is not asked for
  // twice.
  void unread(uint32_t frame_bytes) { frame_bytes_ = frame_bytes; }
  // Answer to Kind::length: packet_length as decrypted, by nobody authenticated yet.
  void give_length(uint32_t packet_length);

  // The frame's encrypted length was impossible: it was framed at the largest size so that its sender learns nothing
  // from when or how it is refused. It must fail, whatever its tag says.
  bool poisoned() const { return poisoned_; }

 private:
  Answer check_clear(uint32_t packet_length);
  bool plausible(uint32_t packet_length) const;

  const CipherSuite* suite_;
  uint32_t frame_bytes_ = 0;  // 0: not known yet
  bool poisoned_ = false;
};

}  // namespace sluice
