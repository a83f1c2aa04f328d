// A file's parts on their way, and the journal of those that arrived.
#include <fcntl.h>
#include <sys/mman.h>

#include <utility>

#include "base/clock.h"
#include "services/copy/file_copy.h"

namespace sluice {
namespace {

// More in one part would be more to do again; less, more waiting between them.
constexpr uint64_t kPart = uint64_t{64} << 20;
// Between two servers a part lies in memory.
constexpr uint64_t kRelayedPart = uint64_t{8} << 20;
// Of one connection: while one's last answers come the next has begun.
constexpr size_t kPartsAtOnce = 2;
constexpr size_t kRelayedAtOnce = 4;
// What a cut costs at most, in time.
constexpr uint64_t kCheckpointNs = 1'000'000'000;
constexpr uint64_t kLeastJournalled = 1 << 20;
constexpr int kWaitMs = 100;

}  // namespace

SftpResult<void> FileCopy::move_parts() {
  left_ = done_.missing(size_);
  checkpoint_ns_ = monotonic_clock().now_ns();
  checkpoint_bytes_ = resumed_;
  while (!left_.empty() || !parts_.empty()) {
    if (!fault_) {
      open_lanes();
      while (!left_.empty() && start_part()) {}
      // Nothing under way and nothing to be begun: the last connection went between two parts.
      if (parts_.empty() && !left_.empty()) fail(why_gone());
    }
    mailbox_->run(parts_.empty() ? 0 : kWaitMs);
    if (fault_ && parts_.empty()) break;
    if (!fault_ && is_checkpoint_due()) checkpoint();
  }
  moved_ = true;
  if (!fault_) return {};
  finish_saving();
  // Here nothing is lost: what came is told to a next time.
  if (!plan_.target.remote()) {
    moved_ = false;
    checkpoint();
    finish_saving();
  }
  return tl::unexpected<SftpFault>(std::move(*fault_));
}

// One for each connection that there is by now.
void FileCopy::open_lanes() {
  RemoteSide* from = plan_.source.remote();
  RemoteSide* to = plan_.target.remote();
  const auto froms = from ? from->clients() : std::vector<std::shared_ptr<SftpClient>>{nullptr};
  const auto tos = to ? to->clients() : std::vector<std::shared_ptr<SftpClient>>{nullptr};
  const size_t count = std::max(froms.size(), tos.size());
  if (item_.in_place || left_.bytes() < 2 * kPart) return;
  for (size_t i = lanes_.size(); i < count; ++i) {
    if (!open_lane(froms[i % froms.size()], tos[i % tos.size()])) return;
  }
}

// False: nothing can be begun now.
bool FileCopy::start_part() {
  // What may have no offsets gets its bytes in order.
  const size_t most = item_.in_place ? 1 : relayed() ? kRelayedAtOnce : kPartsAtOnce;
  Lane* best = nullptr;
  for (Lane& lane : lanes_) {
    const bool alive = (!lane.from || !lane.from->gone()) && (!lane.to || !lane.to->gone());
    if (alive && lane.active < most && (!best || lane.active < best->active)) best = &lane;
  }
  if (!best) return false;
  const auto [begin, end] = left_.take(relayed() ? kRelayedPart : item_.in_place ? size_ : kPart);
  auto part = std::make_shared<Part>(Part{best, begin, end, nullptr, nullptr});
  ++best->active;
  parts_.push_back(part);
  if (relayed()) part->memory = std::make_shared<UniqueFd>(::memfd_create("sluice", MFD_CLOEXEC));
  start_transfer(part, relayed());
  return true;
}

void FileCopy::start_transfer(const std::shared_ptr<Part>& part, bool into_memory) {
  const bool get = into_memory || !plan_.target.remote();
  const Lane& lane = *part->lane;
  TransferOrder order;
  order.direction = get ? TransferOrder::Direction::get : TransferOrder::Direction::put;
  order.handle = get ? lane.from_handle : lane.to_handle;
  order.remote_offset = part->begin;
  order.length = part->end - part->begin;
  order.file = part->memory ? part->memory : get ? to_file_ : from_file_;
  order.local_offset = part->memory ? 0 : part->begin;
  // Between two servers the bytes pass twice; the limit is for the way in.
  if (into_memory || !part->memory) order.limit = plan_.options.limit;
  if (!into_memory) {
    order.acknowledged = [this, begin = part->begin](uint64_t offset, uint64_t length) {
      plan_.counts.bytes_done += length;
      const std::lock_guard held(lock_);
      done_.add(begin + offset, begin + offset + length);
    };
  }
  SftpClient& client = get ? *lane.from : *lane.to;
  part->transfer = client.start(std::move(order), mailbox_, [this, part, into_memory](TransferEnd end) {
    end_transfer(part, into_memory, std::move(end));
  });
}

void FileCopy::end_transfer(const std::shared_ptr<Part>& part, bool into_memory, TransferEnd end) {
  if (!end.fault && into_memory && !fault_) return start_transfer(part, false);
  --part->lane->active;
  std::erase(parts_, part);
  if (!end.fault) return;
  const std::string& path = plan_.target.remote() ? item_.to : item_.from;
  bool others = false;
  for (const Lane& lane : lanes_)
    others = others || ((!lane.from || !lane.from->gone()) && (!lane.to || !lane.to->gone()));
  if (end.fault->kind != SftpFault::Kind::lost || !others) return fail(about(path, std::move(*end.fault)).value());
  // One of several connections: the others take over what it had not done.
  const std::lock_guard held(lock_);
  const RangeSet missing = done_.missing(part->end);
  for (const auto& [begin, until] : missing.ranges()) left_.add(std::max(begin, part->begin), until);
}

SftpFault FileCopy::why_gone() const {
  for (const Lane& lane : lanes_) {
    for (const auto& client : {lane.from, lane.to}) {
      if (client && client->gone()) return client->why_gone();
    }
  }
  return sftp_fault(SftpFault::Kind::lost, "Connection lost").value();
}

void FileCopy::fail(SftpFault fault) {
  if (!fault_) fault_ = std::move(fault);
  for (const auto& part : parts_) part->transfer->cancel();
  // A worker that waits for its network looks at it now.
  for (const Lane& lane : lanes_) {
    for (const auto& client : {lane.from, lane.to}) {
      if (client) client->post([](SftpEngine*) {});
    }
  }
}

bool FileCopy::is_checkpoint_due() const {
  using namespace std::chrono_literals;
  const uint64_t passed = monotonic_clock().now_ns() - checkpoint_ns_;
  if (passed < kCheckpointNs || (saving_.valid() && saving_.wait_for(0s) != std::future_status::ready)) return false;
  const std::lock_guard held(lock_);
  const uint64_t there = done_.bytes();
  // What is over in a moment needs no journal.
  const double rate = static_cast<double>(there - checkpoint_bytes_) / static_cast<double>(passed);
  return static_cast<double>(size_ - there) > rate * static_cast<double>(kCheckpointNs);
}

// Not in this thread, which gives the connections their parts: of a long path it takes some round trips, and a disk may
// be slow.
void FileCopy::checkpoint() {
  finish_saving();
  checkpoint_ns_ = monotonic_clock().now_ns();
  if (item_.in_place || size_ < kLeastJournalled || !plan_.options.resume) return;
  RangeSet parts;
  {
    const std::lock_guard held(lock_);
    parts = done_;
  }
  checkpoint_bytes_ = parts.bytes();
  std::shared_ptr<SftpClient> to;
  std::vector<uint8_t> handle;
  for (const Lane& lane : lanes_) {
    if (!lane.to || lane.to->gone()) continue;
    to = lane.to;
    handle = lane.to_handle;
    break;
  }
  saving_ = std::async(std::launch::async, [this, parts = std::move(parts), to = std::move(to),
                                            handle = std::move(handle)] { return save_journal(parts, to, handle); });
}

// What was acknowledged before the flush is there after it.
bool FileCopy::save_journal(const RangeSet& parts, const std::shared_ptr<SftpClient>& to,
                            const std::vector<uint8_t>& handle) {
  if (to_file_) {
    if (::fdatasync(to_file_->get()) != 0) return false;
  } else if (to && plan_.target.remote()->facts().has("fsync@openssh.com")) {
    auto answer = to->ask(sftp_call::fsync(handle));
    if (!answer || !sftp_answer::done(*answer)) return false;
  }
  return !moved_ && plan_.target.write_small(journal_, write_journal(facts_, parts)).has_value();
}

void FileCopy::finish_saving() {
  if (!saving_.valid()) return;
  // What was not written to its end may have left something.
  if (saving_.get())
    journalled_ = true;
  else
    former_ = true;
}

}  // namespace sluice
