// PacketReader: SFTP's packets out of a channel's bytes, however they are cut, without assembling them.
//
// Steps: the packet's head (length, type, request) -> of a WRITE the handle, offset and length, then its data piece by
// piece where it was received; of anything else the body, collected only where it is cut. Invariant: nothing is kept
// but `kept_`, at most kMaxSftpBody bytes.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "services/sftp/sftp_protocol.h"

namespace sluice {

// What a packet's reader tells.
class PacketSink {
 public:
  virtual ~PacketSink() = default;
  // False: not now. Asked before each packet, and again when more is fed.
  virtual bool may_begin() = 0;
  // INIT's id is its version.
  virtual void on_packet(SftpType type, uint32_t id, Bytes body) = 0;
  // False: its data is not to be had now; asked again.
  virtual bool begin_write(uint32_t id, Bytes handle, uint64_t offset, uint32_t length) = 0;
  // Of the WRITE that began, in order; whole after the last.
  virtual void on_write_data(MutableBytes data) = 0;
  virtual void on_write_end() = 0;
  // Skipped: its fields contradict its length or ours.
  virtual void on_malformed(uint32_t id) = 0;
};

class PacketReader {
 public:
  explicit PacketReader(PacketSink& sink) : sink_(sink) {}

  // How many bytes were taken: all, unless the sink said not now or the stream is broken.
  size_t feed(MutableBytes data);
  // The stream is no SFTP: nothing more is taken.
  bool broken() const { return state_ == State::broken; }
  bool between_packets() const { return state_ == State::head && kept_.empty(); }

 private:
  enum class State : uint8_t { head, body, write_handle, write_place, write_ready, write_data, skip, broken };

  // `wanted` bytes in one piece, from `data` or collected before; empty: more must come. `taken` grows.
  Bytes whole(MutableBytes data, size_t& taken, size_t wanted);
  bool step(MutableBytes data, size_t& taken);
  void take_head(Bytes head);
  bool take_write_ready();
  void malformed();
  void end_packet();

  PacketSink& sink_;
  State state_ = State::head;
  SftpType type_{};
  uint32_t id_ = 0;
  uint32_t left_ = 0;  // of the packet, behind what was looked at
  uint32_t handle_length_ = 0;
  uint32_t data_left_ = 0;
  bool used_kept_ = false;
  std::vector<uint8_t> kept_;
  std::vector<uint8_t> write_head_;  // handle, offset, length, while its WRITE may not begin
};

}  // namespace sluice
