// AnswerReader: a server's SFTP packets out of a channel's bytes, however they are cut, without assembling DATA.
//
// Steps: the packet's head (length, type, request) -> of DATA its length, then piece by piece where it was received; of
// anything else the body, collected only where it is cut. Invariant: nothing is kept but `kept_`, bounded by
// kMaxSftpPacket.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "services/sftp/sftp_protocol.h"

namespace sluice {

// What an answers' reader tells. False: the stream makes no sense, nothing more is read.
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;
  // VERSION's id is the version.
  virtual bool on_answer(SftpType type, uint32_t id, Bytes body) = 0;
  virtual bool begin_data(uint32_t id, uint32_t length) = 0;
  // Of the DATA that began, in order; whole after the last.
  virtual void on_data_piece(MutableBytes data) = 0;
  virtual void end_data() = 0;
};

class AnswerReader {
 public:
  explicit AnswerReader(AnswerSink& sink) : sink_(sink) {}
  // Takes all. False: broken.
  bool feed(MutableBytes data);

 private:
  enum class State : uint8_t { head, body, data_length, data, broken };

  // `wanted` bytes in one piece, from `data` or collected before; empty: more must come. `data` shrinks.
  Bytes whole(MutableBytes& data, size_t wanted);
  bool step(MutableBytes& data);
  bool take_head(MutableBytes& data);
  bool take_body(MutableBytes& data);
  bool take_data_length(MutableBytes& data);
  bool take_data(MutableBytes& data);

  AnswerSink& sink_;
  State state_ = State::head;
  SftpType type_{};
  uint32_t id_ = 0;
  uint32_t left_ = 0;  // of the packet
  bool used_kept_ = false;
  std::vector<uint8_t> kept_;
};

}  // namespace sluice
