// Reading and judging packet_length.
#include "dataplane/deframer.h"

#include "base/check.h"

namespace sluice {
namespace {

constexpr uint32_t kLengthField = 4;
// Padding length and the least padding; the shortest record still has a payload byte, which alignment guarantees.
constexpr uint32_t kLeastPacket = 1 + kMinPadding;

}  // namespace

Deframer::Answer Deframer::next(size_t available, const uint8_t* first) {
  if (frame_bytes_ == 0) {
    const uint32_t wanted = suite_->length_form == LengthForm::first_block ? suite_->cipher->block_bytes : kLengthField;
    if (available < wanted) return {Kind::need, wanted};
    if (suite_->length_form != LengthForm::clear) return {Kind::length, wanted};
    const Answer answer = check_clear(load_be32(first));
    if (answer.kind == Kind::corrupt) return answer;
  }
  if (available < frame_bytes_) return {Kind::need, frame_bytes_};
  const uint32_t whole = frame_bytes_;
  frame_bytes_ = 0;
  return {Kind::frame, whole};
}

// A clear length is checked at once: it is no secret, so an early answer tells nothing.
Deframer::Answer Deframer::check_clear(uint32_t packet_length) {
  if (packet_length < kLeastPacket || packet_length > kMaxRecordLength) {
    return {Kind::corrupt, 0, ErrorCode::record_too_long};
  }
  if (suite_->is_plain() && packet_length + kLengthField > kMaxPlainRecordLength) {
    return {Kind::corrupt, 0, ErrorCode::record_unencrypted_too_long};
  }
  if (!plausible(packet_length)) return {Kind::corrupt, 0, ErrorCode::record_misaligned};
  frame_bytes_ = kLengthField + packet_length + suite_->tag_bytes;
  poisoned_ = false;
  return {Kind::need, frame_bytes_};
}

bool Deframer::plausible(uint32_t packet_length) const {
  return packet_length >= kLeastPacket && packet_length <= kMaxRecordLength &&
         (packet_length + kLengthField - suite_->encrypted_from) % suite_->alignment == 0;
}

void Deframer::give_length(uint32_t packet_length) {
  SLUICE_CHECK(frame_bytes_ == 0);
  poisoned_ = !plausible(packet_length);
  if (poisoned_) packet_length = kMaxRecordLength - kLengthField + suite_->encrypted_from;
  frame_bytes_ = kLengthField + packet_length + suite_->tag_bytes;
}

}  // namespace sluice
