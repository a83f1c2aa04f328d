// Turns of both paths.
#include "apps/sluice/bench/record_ends.h"

#include <algorithm>

#include "apps/sluice/bench/record_keys.h"
#include "base/check.h"

namespace sluice::bench {
namespace {

constexpr RekeyLimits kLimits{};
constexpr uint64_t kBytesPerKey = uint64_t{1} << 29;

}  // namespace

uint64_t RecordStream::per_key() const { return std::max<uint64_t>(kBytesPerKey / payload, 2 * kReceiveDepth); }

SealingEnd::SealingEnd(Transport& transport, const RecordStream& stream)
    : transport_(transport),
      stream_(stream),
      drivers_(drivers_named(stream.driver)),
      dispatch_(*drivers_),
      send_(transport, pool_) {}

SealingEnd::~SealingEnd() {
  while (send_.in_flight() > 0) turn();
}

// False: there is no room for the message that says so now.
bool SealingEnd::renew_keys() {
  if (!installed_ && send_.has_next_epoch()) return false;
  if (!installed_) send_.install(known_epoch(*stream_.suite, Direction::seal, *drivers_, generation_));
  installed_ = true;
  const auto draft = send_.reserve(1);
  if (!draft) return false;
  installed_ = false;
  draft->payload[0] = kNewKeysMessage;
  send_.finish_newkeys(*draft, 1, true);
  ++generation_;
  left_ = stream_.per_key();
  return true;
}

size_t SealingEnd::seal(size_t most) {
  size_t begun = 0;
  while (begun < most && (left_ > 0 || renew_keys())) {
    // The payload is what lies in the ring: in the product a read() of a file has just put it there.
    const auto draft = send_.reserve(stream_.payload);
    if (!draft) break;
    draft->payload[0] = kDataMessage;
    send_.finish(*draft, stream_.payload);
    --left_;
    ++begun;
  }
  turn();
  return begun;
}

void SealingEnd::turn() {
  send_.stage(dispatch_, 0, kLimits);
  dispatch_.submit();
  dispatch_.poll();
  send_.commit();
  while (send_.take_drained()) {}
  if (transport_.has_unsent()) transport_.flush();
}

OpeningEnd::OpeningEnd(Transport& transport, const RecordStream& stream)
    : transport_(transport),
      stream_(stream),
      drivers_(drivers_named(stream.driver)),
      dispatch_(*drivers_),
      receive_(transport, pool_) {}

OpeningEnd::~OpeningEnd() {
  while (receive_.in_flight() > 0) {
    receive_.hand_over(dispatch_);
    dispatch_.submit();
    dispatch_.poll();
  }
}

size_t OpeningEnd::open() {
  if (failed()) return 0;
  // What may be in work before the message that turns keys.
  receive_.expect_newkeys(left_ <= kReceiveDepth);
  receive_.frame(dispatch_);
  dispatch_.submit();
  dispatch_.poll();
  std::array<Message, kReceiveDepth> messages;
  const size_t n = receive_.collect(messages);
  size_t opened = 0;
  bool turns = false;
  for (size_t i = 0; i < n && !failed_; ++i) {
    const Message& message = messages[i];
    if (left_ == 0) {
      turns = message.number() == kNewKeysMessage && message.payload.size() == 1 && i + 1 == n;
      failed_ = !turns;
      continue;
    }
    failed_ = message.number() != kDataMessage || message.payload.size() != stream_.payload;
    --left_;
    ++opened;
  }
  receive_.release(n);
  if (turns) {
    receive_.install(known_epoch(*stream_.suite, Direction::open, *drivers_, generation_++));
    receive_.turn_keys(true);
    left_ = stream_.per_key();
  }
  while (receive_.take_drained()) {}
  return opened;
}

}  // namespace sluice::bench
