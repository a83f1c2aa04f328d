// Sealing batches, carrying them over, opening them.
#include "apps/sluice/bench/record_loop.h"

#include "apps/sluice/bench/record_keys.h"
#include "base/check.h"

namespace sluice::bench {
namespace {

size_t ring_bytes(const CipherSuite& suite, uint32_t payload, size_t records) {
  return records * (suite.headroom + record_length(suite, payload) + suite.tag_bytes);
}

// Far from any limit, so that stage() is timed with the question but never answers it with a rekey.
constexpr RekeyLimits kLimits{};
// What is opened between two stops of the clock: enough to make stopping it free, little enough to stay in the cache.
constexpr size_t kRoundBytes = size_t{1} << 20;
constexpr size_t kMostRounds = 64;
constexpr size_t kPage = 4096;
constexpr uint64_t kRenewAfterBytes = uint64_t{1} << 29;

}  // namespace

RecordLoop::RecordLoop(const CipherSuite& suite, uint32_t payload, size_t records, const std::string& driver)
    : suite_(suite),
      payload_(payload),
      records_(records),
      batch_bytes_(ring_bytes(suite, payload, records)),
      rounds_(std::clamp(kRoundBytes / batch_bytes_, size_t{1}, kMostRounds)),
      seal_drivers_(drivers_named(driver)),
      open_drivers_(drivers_named(driver)),
      seal_dispatch_(*seal_drivers_),
      open_dispatch_(*open_drivers_),
      near_(batch_bytes_),
      far_(rounds_ * batch_bytes_ + kPage) {
  renew_keys();
}

void RecordLoop::renew_keys() {
  send_ = std::make_unique<SendPath>(near_, pool_);
  receive_ = std::make_unique<ReceivePath>(far_, pool_);
  // An unprotected NEWKEYS of each path brings the keys in the way that a session does.
  send_->install(known_epoch(suite_, Direction::seal, *seal_drivers_));
  receive_->install(known_epoch(suite_, Direction::open, *open_drivers_));
  receive_->turn_keys(true);
  const auto draft = send_->reserve(1);
  SLUICE_CHECK(draft.has_value());
  draft->payload[0] = kNewKeysMessage;
  send_->finish_newkeys(*draft, 1, true);
  send_->stage(seal_dispatch_, 0, kLimits);
  SLUICE_CHECK(send_->commit() == 1);
  near_.discard_sent();
}

void RecordLoop::seal(size_t records) {
  if (send_->epoch().bytes() > kRenewAfterBytes) renew_keys();
  seal_batch(records);
  near_.discard_sent();
}

void RecordLoop::prepare_open() {
  if (send_->epoch().bytes() > kRenewAfterBytes) renew_keys();
  far_.show(0);
  for (size_t round = 0; round < rounds_; ++round) {
    seal_batch(records_);
    std::array<Bytes, kMaxPieces> pieces;
    const size_t n = near_.send_ring().pending(pieces);
    for (size_t i = 0; i < n; ++i) SLUICE_CHECK(far_.receive(pieces[i]) == pieces[i].size());
    near_.discard_sent();
  }
}

// The payload is what lies in the ring: in the product a read() of a file has just put it there.
void RecordLoop::seal_batch(size_t records) {
  for (size_t i = 0; i < records; ++i) {
    const auto draft = send_->reserve(payload_);
    SLUICE_CHECK(draft.has_value());
    draft->payload[0] = kDataMessage;
    send_->finish(*draft, payload_);
  }
  size_t committed = 0;
  while (committed < records) {
    send_->stage(seal_dispatch_, 0, kLimits);
    seal_dispatch_.submit();
    seal_dispatch_.poll();
    committed += send_->commit();
    SLUICE_CHECK(!send_->error());
  }
}

void RecordLoop::open() {
  far_.show(batch_bytes_ - records_ * suite_.headroom);
  size_t opened = 0;
  std::array<Message, kReceiveDepth> messages;
  while (opened < records_) {
    receive_->frame(open_dispatch_);
    open_dispatch_.submit();
    open_dispatch_.poll();
    const size_t n = receive_->collect(messages);
    SLUICE_CHECK(!receive_->error());
    for (size_t i = 0; i < n; ++i) SLUICE_CHECK(messages[i].payload.size() == payload_);
    receive_->release(n);
    opened += n;
  }
}

std::string RecordLoop::ran(Direction direction) const {
  const Dispatch& dispatch = direction == Direction::seal ? seal_dispatch_ : open_dispatch_;
  const DriverSet& drivers = dispatch.drivers();
  std::string names;
  for (size_t i = 0; i < drivers.size(); ++i) {
    if (dispatch.taken_by(i) == 0) continue;
    if (!names.empty()) names.append(",");
    names.append(drivers[i].name());
  }
  return names;
}

}  // namespace sluice::bench
