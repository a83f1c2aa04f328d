// Answers of devices that are being compared with software's: a digest of what the device left, kept until software
// has done the same op again in the same place.
//
// The answer that is used is always software's, so a check needs no memory for a second record, and a device that lies
// can do no harm where it is checked.
#pragma once

#include <array>
#include <bit>

#include "base/bytes.h"
#include "base/check.h"
#include "crypto_offload/crypto_op.h"

namespace sluice {

inline constexpr size_t kMostChecks = 64;

class AnswerChecks {
 public:
  struct Answer {
    uint64_t digest;
    OpStatus status;
    uint8_t device;
  };

  bool full() const { return free_ == 0; }

  // Remembers what the device answered; the op may be done again.
  void remember(CryptoOp& op, size_t device, size_t tag_bytes) {
    SLUICE_CHECK(!full());
    const auto i = static_cast<unsigned>(std::countr_zero(free_));
    free_ &= free_ - 1;
    answers_[i] = {digest_of(op, tag_bytes), op.status, static_cast<uint8_t>(device)};
    op.mark.check = static_cast<uint8_t>(i + 1);
  }

  struct Verdict {
    size_t device;
    bool agreed;
  };
  // Software has answered the op.
  Verdict settle(CryptoOp& op, size_t tag_bytes) {
    const unsigned i = op.mark.check - 1u;
    op.mark.check = 0;
    free_ |= uint64_t{1} << i;
    const Answer& answer = answers_[i];
    return {answer.device, answer.status == op.status && answer.digest == digest_of(op, tag_bytes)};
  }
  // Software has failed at it: no verdict.
  void forget(CryptoOp& op) {
    free_ |= uint64_t{1} << (op.mark.check - 1u);
    op.mark.check = 0;
  }

 private:
  // Against faults, not against forgers: any changed byte changes it. What a refused record left behind is no answer.
  static uint64_t digest_of(const CryptoOp& op, size_t tag_bytes) {
    if (op.status != OpStatus::ok) return 0;
    uint64_t digest = mix(0x9e3779b97f4a7c15u, op.dst, op.length);
    if (op.direction == Direction::seal) digest = mix(digest, op.tag, tag_bytes);
    return digest;
  }
  static uint64_t mix(uint64_t digest, const uint8_t* p, size_t n) {
    for (; n >= 8; p += 8, n -= 8) digest = (std::rotl(digest, 5) ^ load_be64(p)) * 0x2545f4914f6cdd1du;
    for (; n > 0; ++p, --n) digest = (std::rotl(digest, 5) ^ *p) * 0x2545f4914f6cdd1du;
    return digest;
  }

  uint64_t free_ = ~uint64_t{0};
  std::array<Answer, kMostChecks> answers_{};
};
static_assert(kMostChecks == 64, "one word of free flags");

}  // namespace sluice
