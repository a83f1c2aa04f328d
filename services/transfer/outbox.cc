// Chunks filled and emptied.
#include "services/transfer/outbox.h"

#include <algorithm>

namespace sluice {
namespace {

// Statuses are gathered up to here; what is longer stays as it came.
constexpr size_t kChunk = 4096;
constexpr size_t kSmall = 512;

}  // namespace

void Outbox::add(std::vector<uint8_t> packet) {
  bytes_ += packet.size();
  if (packet.size() > kSmall) return chunks_.push_back(std::move(packet));
  if (chunks_.empty() || chunks_.back().size() + packet.size() > kChunk) {
    chunks_.emplace_back();
    chunks_.back().reserve(kSmall);
  }
  chunks_.back().insert(chunks_.back().end(), packet.begin(), packet.end());
}

void Outbox::send(DraftStream& to) {
  while (bytes_ > 0) {
    const size_t room = to.ensure(bytes_);
    if (room == 0) return;
    const Bytes piece = Bytes(chunks_.front()).subspan(sent_);
    const size_t n = std::min(room, piece.size());
    to.write(piece.first(n));
    sent_ += n;
    bytes_ -= n;
    if (n < piece.size()) continue;
    chunks_.pop_front();
    sent_ = 0;
  }
}

void Outbox::clear() {
  chunks_.clear();
  sent_ = bytes_ = 0;
}

}  // namespace sluice
