// A state for each part of a packet.
#include "services/sftp/packet_reader.h"

#include <algorithm>

namespace sluice {
namespace {

constexpr uint32_t kHead = 4 + 1 + 4;
constexpr uint32_t kPlace = 8 + 4;  // offset and length behind a WRITE's handle

}  // namespace

size_t PacketReader::feed(MutableBytes data) {
  size_t taken = 0;
  while (step(data, taken)) {}
  return taken;
}

Bytes PacketReader::whole(MutableBytes data, size_t& taken, size_t wanted) {
  if (used_kept_) kept_.clear(), used_kept_ = false;
  const size_t more = std::min(wanted - kept_.size(), data.size() - taken);
  const Bytes piece = data.subspan(taken, more);
  taken += more;
  if (kept_.empty() && more == wanted) return piece;
  kept_.insert(kept_.end(), piece.begin(), piece.end());
  if (kept_.size() < wanted) return {};
  used_kept_ = true;
  return kept_;
}

// One part; false when nothing more can be done now.
bool PacketReader::step(MutableBytes data, size_t& taken) {
  const size_t here = data.size() - taken;
  switch (state_) {
    case State::head: {
      if (here == 0 || ((kept_.empty() || used_kept_) && !sink_.may_begin())) return false;
      const Bytes head = whole(data, taken, kHead);
      if (head.empty()) return false;
      take_head(head);
      return true;
    }
    case State::body: {
      // An empty body is whole at once.
      if (left_ > 0 && here == 0) return false;
      const Bytes body = left_ == 0 ? Bytes{} : whole(data, taken, left_);
      if (left_ > 0 && body.empty()) return false;
      left_ = 0;
      sink_.on_packet(type_, id_, body);
      end_packet();
      return true;
    }
    case State::write_handle: {
      const Bytes length = here == 0 ? Bytes{} : whole(data, taken, 4);
      if (length.empty()) return false;
      handle_length_ = load_be32(length.data());
      left_ -= 4;
      if (handle_length_ > kMaxSftpHandle || handle_length_ + kPlace > left_) {
        malformed();
      } else {
        state_ = State::write_place;
      }
      return true;
    }
    case State::write_place: {
      const Bytes place = here == 0 ? Bytes{} : whole(data, taken, handle_length_ + kPlace);
      if (place.empty()) return false;
      left_ -= handle_length_ + kPlace;
      data_left_ = load_be32(place.data() + handle_length_ + 8);
      write_head_.assign(place.begin(), place.end());
      if (data_left_ > left_ || data_left_ > kMaxSftpData) {
        malformed();
      } else {
        state_ = State::write_ready;
      }
      return true;
    }
    case State::write_ready: return take_write_ready();
    case State::write_data: {
      if (data_left_ == 0) {
        sink_.on_write_end();
        state_ = State::skip;
        return true;
      }
      const size_t n = std::min<size_t>(data_left_, here);
      if (n == 0) return false;
      sink_.on_write_data(data.subspan(taken, n));
      taken += n;
      data_left_ -= static_cast<uint32_t>(n);
      left_ -= static_cast<uint32_t>(n);
      return true;
    }
    case State::skip: {
      if (left_ == 0) return end_packet(), true;
      const size_t n = std::min<size_t>(left_, here);
      taken += n;
      left_ -= static_cast<uint32_t>(n);
      return n > 0;
    }
    case State::broken: return false;
  }
  return false;
}

void PacketReader::take_head(Bytes head) {
  const uint32_t length = load_be32(head.data());
  if (length < kHead - 4 || length > kMaxSftpPacket) {
    state_ = State::broken;
    return;
  }
  type_ = static_cast<SftpType>(head[4]);
  id_ = load_be32(&head[5]);
  left_ = length - (kHead - 4);
  if (type_ == SftpType::write) {
    if (left_ < 4) return malformed();
    state_ = State::write_handle;
  } else if (left_ > kMaxSftpBody) {
    malformed();
  } else {
    state_ = State::body;
  }
}

bool PacketReader::take_write_ready() {
  const Bytes handle = Bytes(write_head_).first(handle_length_);
  if (!sink_.begin_write(id_, handle, load_be64(write_head_.data() + handle_length_), data_left_)) return false;
  state_ = State::write_data;
  return true;
}

void PacketReader::malformed() {
  sink_.on_malformed(id_);
  state_ = State::skip;
}

void PacketReader::end_packet() {
  if (used_kept_ && kept_.capacity() > 4096) kept_ = {};
  kept_.clear();
  used_kept_ = false;
  state_ = State::head;
}

}  // namespace sluice
