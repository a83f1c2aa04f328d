// Outbox: answers that wait for their places in records. Small ones share memory, large ones are moved in.
#pragma once

#include <deque>
#include <vector>

#include "services/transfer/draft_stream.h"

namespace sluice {

class Outbox {
 public:
  bool empty() const { return bytes_ == 0; }
  size_t bytes() const { return bytes_; }
  void add(std::vector<uint8_t> packet);
  // As much as there is room for.
  void send(DraftStream& to);
  void clear();

 private:
  std::deque<std::vector<uint8_t>> chunks_;
  size_t sent_ = 0;  // of the first chunk
  size_t bytes_ = 0;
};

}  // namespace sluice
