// Walks over the drafts: a turn has few of them.
#include "services/transfer/draft_stream.h"

#include <algorithm>

#include "base/check.h"

namespace sluice {

size_t DraftStream::ensure(size_t n) {
  while (room_ - position_ < n && count_ < kMaxDrafts) {
    const auto draft = channel_.reserve(n - (room_ - position_));
    if (!draft) break;
    drafts_[count_++] = *draft;
    room_ += draft->data.size();
  }
  return room_ - position_;
}

size_t DraftStream::places(size_t from, size_t n, std::span<iovec> out) const {
  size_t used = 0;
  for (size_t i = 0; i < count_ && n > 0 && used < out.size(); ++i) {
    const MutableBytes data = drafts_[i].data;
    if (from >= data.size()) {
      from -= data.size();
      continue;
    }
    const size_t piece = std::min(n, data.size() - from);
    out[used++] = {data.data() + from, piece};
    n -= piece;
    from = 0;
  }
  return used;
}

void DraftStream::patch(size_t from, Bytes bytes) {
  for (size_t i = 0; i < count_ && !bytes.empty(); ++i) {
    const MutableBytes data = drafts_[i].data;
    if (from >= data.size()) {
      from -= data.size();
      continue;
    }
    const size_t piece = std::min(bytes.size(), data.size() - from);
    std::copy_n(bytes.data(), piece, data.data() + from);
    bytes = bytes.subspan(piece);
    from = 0;
  }
  SLUICE_CHECK(bytes.empty());
}

void DraftStream::write(Bytes bytes) {
  patch(position_, bytes);
  position_ += bytes.size();
}

void DraftStream::close() {
  for (size_t i = 0; i < count_; ++i) {
    const size_t used = std::min(position_, drafts_[i].data.size());
    channel_.finish(drafts_[i], used);
    position_ -= used;
  }
  count_ = 0;
  room_ = 0;
  position_ = 0;
}

}  // namespace sluice
