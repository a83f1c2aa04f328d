// What becomes of a frame, drawn as it enters.
#include "tests/link/frame_path.h"

#include <algorithm>

namespace sluice::link {
namespace {

constexpr size_t kEthernetHeader = 14;
// Preamble, check sum and gap.
constexpr size_t kOnTheWire = 24;

}  // namespace

void FramePath::put(Bytes frame, uint64_t now) {
  ++counts_.in;
  const bool lost = happens(settings_.loss);
  const bool twice = happens(settings_.duplicate);
  const bool damaged = happens(settings_.corrupt);
  const bool late = happens(settings_.reorder);
  if (lost) {
    ++counts_.lost;
    return;
  }
  uint64_t sent = now;
  if (settings_.rate > 0) {
    const uint64_t start = std::max(now, busy_until_ns_);
    const uint64_t queued = (start - now) * settings_.rate / 1'000'000'000;
    if (queued > settings_.buffer) {
      ++counts_.overflowed;
      return;
    }
    sent = busy_until_ns_ = start + (frame.size() + kOnTheWire) * 1'000'000'000 / settings_.rate;
  }
  std::vector<uint8_t> bytes(frame.begin(), frame.end());
  if (damaged && bytes.size() > kEthernetHeader) {
    const size_t bit = random_() % ((bytes.size() - kEthernetHeader) * 8);
    bytes[kEthernetHeader + bit / 8] = static_cast<uint8_t>(bytes[kEthernetHeader + bit / 8] ^ (1u << (bit % 8)));
    ++counts_.corrupted;
  }
  if (late) ++counts_.reordered;
  const uint64_t due = sent + settings_.delay_ns + (late ? settings_.reorder_ns : 0);
  if (twice) {
    ++counts_.duplicated;
    waiting_.emplace(due, bytes);
  }
  waiting_.emplace(due, std::move(bytes));
}

}  // namespace sluice::link
