// A state for each part of a packet.
#include "services/sftp_client/answer_reader.h"

#include <algorithm>

namespace sluice {
namespace {

constexpr uint32_t kHead = 4 + 1 + 4;
// A long listing's memory is given back.
constexpr size_t kKeptForLong = 4096;

}  // namespace

bool AnswerReader::feed(MutableBytes data) {
  while (step(data)) {}
  return state_ != State::broken;
}

Bytes AnswerReader::whole(MutableBytes& data, size_t wanted) {
  if (used_kept_) {
    if (kept_.capacity() > kKeptForLong) kept_ = {};
    kept_.clear();
    used_kept_ = false;
  }
  const size_t more = std::min(wanted - kept_.size(), data.size());
  const Bytes piece = data.first(more);
  data = data.subspan(more);
  if (kept_.empty() && more == wanted) return piece;
  kept_.insert(kept_.end(), piece.begin(), piece.end());
  if (kept_.size() < wanted) return {};
  used_kept_ = true;
  return kept_;
}

// One part; false when nothing more can be done now.
bool AnswerReader::step(MutableBytes& data) {
  switch (state_) {
    case State::head: return !data.empty() && take_head(data);
    case State::body: return take_body(data);
    case State::data_length: return !data.empty() && take_data_length(data);
    case State::data: return take_data(data);
    case State::broken: return false;
  }
  return false;
}

bool AnswerReader::take_head(MutableBytes& data) {
  const Bytes head = whole(data, kHead);
  const Bytes known = head.empty() ? Bytes(kept_) : head;
  const uint32_t length = known.size() < 4 ? kHead : load_be32(known.data());
  // At once: what follows a length that makes no sense may never come.
  if (length < kHead - 4 || length > kMaxSftpPacket) {
    state_ = State::broken;
    return false;
  }
  if (head.empty()) return false;
  type_ = static_cast<SftpType>(head[4]);
  id_ = load_be32(&head[5]);
  left_ = length - (kHead - 4);
  state_ = type_ == SftpType::data ? State::data_length : State::body;
  return true;
}

bool AnswerReader::take_body(MutableBytes& data) {
  Bytes body;
  if (left_ > 0) {
    if (data.empty()) return false;
    body = whole(data, left_);
    if (body.empty()) return false;
  }
  state_ = State::head;
  if (sink_.on_answer(type_, id_, body)) return true;
  state_ = State::broken;
  return false;
}

bool AnswerReader::take_data_length(MutableBytes& data) {
  if (left_ < 4) {
    state_ = State::broken;
    return false;
  }
  const Bytes bytes = whole(data, 4);
  if (bytes.empty()) return false;
  left_ -= 4;
  // Something behind the data belongs to nothing that version 3 knows.
  if (load_be32(bytes.data()) != left_ || !sink_.begin_data(id_, left_)) {
    state_ = State::broken;
    return false;
  }
  state_ = State::data;
  return true;
}

bool AnswerReader::take_data(MutableBytes& data) {
  if (left_ == 0) {
    sink_.end_data();
    state_ = State::head;
    return true;
  }
  if (data.empty()) return false;
  const size_t n = std::min<size_t>(left_, data.size());
  sink_.on_data_piece(data.first(n));
  data = data.subspan(n);
  left_ -= static_cast<uint32_t>(n);
  return true;
}

}  // namespace sluice
