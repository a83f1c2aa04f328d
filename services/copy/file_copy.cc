// From opening to the final name.
#include "services/copy/file_copy.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <utility>

#include "base/clock.h"
#include "services/transfer/late_errors.h"

namespace sluice {
namespace {

// Smaller ones are as soon copied again.
constexpr uint64_t kLeastResumed = 1 << 20;
constexpr uint32_t kOwnerWrites = 0600;
constexpr int kWaitMs = 1000;
// Less than this is full.
constexpr uint64_t kFullBytes = 64 * 1024;

tl::unexpected<SftpFault> passed_on(SftpFault& fault) { return tl::unexpected<SftpFault>(std::move(fault)); }

}  // namespace

FileCopy::FileCopy(const CopyPlan& plan, CopyItem item)
    : plan_(plan), item_(std::move(item)), size_(item_.facts.size.value_or(0)), facts_(source_facts(plan, item_)) {
  temporary_ = item_.in_place ? item_.to : temporary_name(item_, facts_);
  journal_ = temporary_ + ".journal";
}

void FileCopy::run() {
  plan_.listener.on_begin(item_.shown, size_);
  auto result = copy();
  (void)close_lanes();
  finish_saving();
  if (result) {
    ++plan_.counts.files_done;
    return plan_.listener.on_done(item_.shown, size_, plan_.options.verify);
  }
  ++plan_.counts.files_failed;
  result = explain(std::move(result.error()));
  plan_.listener.on_fault(item_.shown, result.error());
}

SftpResult<void> FileCopy::copy() {
  if (auto opened = open_ends(); !opened) return opened;
  if (auto found = find_done(); !found) return found;
  auto on_server = copy_on_server();
  if (!on_server) return passed_on(on_server.error());
  if (!*on_server) {
    if (auto moved = move_parts(); !moved) return moved;
  }
  return settle();
}

SftpResult<void> FileCopy::open_ends() {
  if (!plan_.source.remote()) {
    auto opened = plan_.local_source().open(item_.from, O_RDONLY);
    if (!opened) return passed_on(opened.error());
    from_file_ = std::move(*opened);
    struct stat facts;
    if (::fstat(from_file_->get(), &facts) != 0) return local_fault(fit_for_terminal(item_.from), errno);
    from_modified_ = facts.st_mtim;
  }
  return {};
}

// What a copy that was cut left: parts that its journal names, or a beginning that both ends have the same hash of.
SftpResult<void> FileCopy::find_done() {
  if (item_.in_place || !plan_.options.resume || size_ < kLeastResumed) return open_target(true);
  const auto found = look_at_former();
  if (!lanes_.empty()) return {};
  if (!found && found.error().kind == SftpFault::Kind::lost) return tl::unexpected<SftpFault>(found.error());
  former_ = found.has_value();
  if (!found || !found->is_regular() || found->size.value_or(0) == 0) return open_target(true);
  const uint64_t there = *found->size;
  const auto journal = plan_.target.read_small(journal_, kMostJournal);
  const auto parts = journal ? read_journal(*journal, facts_) : sluice::fail("none");
  if (parts && parts->end() <= there) {
    done_ = *parts;
    journalled_ = true;
  } else if (there <= size_) {
    if (!plan_.target.remote()) {
      auto opened = plan_.local_target().open(temporary_, O_RDONLY);
      if (opened) to_file_ = std::move(*opened);
    }
    done_.add(0, equal_prefix(source_file(), target_file(), there, plan_.options));
  }
  resumed_ = done_.bytes();
  plan_.counts.bytes_done += resumed_;
  plan_.counts.bytes_resumed += resumed_;
  if (resumed_ > 0)
    plan_.listener.on_notice(fit_for_terminal(item_.shown) + ": resumed, " + std::to_string(resumed_) + " of " +
                             std::to_string(size_) + " bytes were there");
  return open_target(resumed_ == 0);
}

// Round trips are dear: mostly there is none, and then the new one is open by now.
SftpResult<SftpAttributes> FileCopy::look_at_former() {
  RemoteSide* to = plan_.target.remote();
  if (!to || relayed() || !to->facts().ordered) return plan_.target.look(temporary_, false);
  const auto client = to->client();
  auto both = to->look_and_open(*client, temporary_, kSftpWrite | kSftpCreate, first_mode());
  const bool none = !both.there && both.there.error().status == SftpStatus::no_such_file;
  if (!both.handle) return std::move(both.there);
  if (none) {
    temporary_made_ = true;
    lanes_.emplace_back();
    lanes_.back().to = client;
    lanes_.back().to_handle = std::move(*both.handle);
  } else {
    to->forget(*client, std::move(*both.handle));
  }
  return std::move(both.there);
}

SftpAttributes FileCopy::first_mode() const {
  SftpAttributes mode;
  mode.mode = wanted_attributes(plan_, item_).mode.value_or(0644) | kOwnerWrites;
  return mode;
}

SftpResult<void> FileCopy::open_target(bool fresh) {
  if (auto room = check_room(); !room) return room;
  if (!plan_.target.remote()) {
    const int flags = item_.in_place ? O_WRONLY : O_RDWR | O_CREAT | (fresh ? O_TRUNC : 0);
    auto opened = plan_.local_target().open(temporary_, flags);
    if (!opened) return passed_on(opened.error());
    to_file_ = std::move(*opened);
    temporary_made_ = !item_.in_place;
  }
  RemoteSide* from = plan_.source.remote();
  RemoteSide* to = plan_.target.remote();
  // What an older copy left longer than this one would stay at its end.
  const uint32_t fresh_flag = fresh && !item_.in_place ? uint32_t{kSftpTruncate} : 0;
  return open_lane(from ? from->client() : nullptr, to ? to->client() : nullptr, fresh_flag);
}

// Told before a long way is gone in vain. What cannot be found out is no reason.
SftpResult<void> FileCopy::check_room() {
  const uint64_t needed = size_ - std::min(size_, resumed_);
  if (needed < kLeastResumed || item_.in_place || plan_.target.remote()) return {};
  struct statvfs system;
  auto opened = plan_.local_target().open(temporary_, O_RDWR | O_CREAT);
  if (!opened || ::fstatvfs((*opened)->get(), &system) != 0) return {};
  struct stat now;
  const uint64_t here = ::fstat((*opened)->get(), &now) == 0 ? static_cast<uint64_t>(now.st_blocks) * 512 : 0;
  if (uint64_t{system.f_bavail} * system.f_frsize + here >= needed) return {};
  if (resumed_ == 0) (void)plan_.target.remove(temporary_);
  return local_fault(fit_for_terminal(item_.to) + ": " + std::to_string(needed) + " bytes are needed, " +
                         std::to_string(uint64_t{system.f_bavail} * system.f_frsize) + " are free here",
                     ENOSPC);
}

SftpResult<void> FileCopy::open_lane(std::shared_ptr<SftpClient> from, std::shared_ptr<SftpClient> to,
                                     uint32_t more_flags) {
  Lane lane;
  if (from) {
    auto handle = plan_.source.remote()->open(*from, item_.from, kSftpRead);
    if (!handle) return passed_on(handle.error());
    lane.from_handle = std::move(*handle);
  }
  if (to) {
    const uint32_t flags = more_flags | (item_.in_place ? kSftpWrite : kSftpWrite | kSftpCreate);
    auto handle = to->ask(sftp_call::open(temporary_, flags, first_mode())).and_then(sftp_answer::handle);
    if (!handle) {
      if (from) (void)from->ask(sftp_call::close(lane.from_handle));
      return about(item_.to, std::move(handle.error()));
    }
    lane.to_handle = std::move(*handle);
    temporary_made_ = !item_.in_place;
  }
  lane.from = std::move(from);
  lane.to = std::move(to);
  lanes_.push_back(std::move(lane));
  return {};
}

// Both paths on one server that copies by itself. False: it does not.
SftpResult<bool> FileCopy::copy_on_server() {
  if (!relayed() || plan_.source.remote() != plan_.target.remote() || size_ == 0) return false;
  if (!plan_.source.remote()->facts().has("copy-data") || plan_.options.limit) return false;
  const Lane& lane = lanes_.front();
  constexpr uint64_t kAtOnce = uint64_t{256} << 20;
  RangeSet left = done_.missing(size_);
  while (!left.empty()) {
    const auto [begin, end] = left.take(kAtOnce);
    auto answer = lane.to->ask(sftp_call::copy_data(lane.from_handle, begin, end - begin, lane.to_handle, begin));
    auto done = answer ? sftp_answer::done(*answer) : tl::unexpected<SftpFault>(std::move(answer.error()));
    if (!done) return about(item_.to, std::move(done.error()));
    done_.add(begin, end);
    plan_.counts.bytes_done += end - begin;
  }
  return true;
}

// Every byte is there: is it what it should be, and then its name.
SftpResult<void> FileCopy::settle() {
  if (auto same = check_source(); !same) return same;
  if (auto set = set_attributes(); !set) return set;
  if (auto closed = close_target(); !closed) return closed;
  if (item_.in_place) return {};
  if (plan_.options.verify) {
    if (auto equal = compare_content(source_file(), target_file(), size_, plan_.options); !equal) {
      // Nothing of it is to be trusted by a next time.
      if (equal.error().kind == SftpFault::Kind::changed) (void)plan_.target.remove(temporary_);
      drop_journal();
      return equal;
    }
  }
  // Before the rename: whoever is cut off in between has a whole copy to be verified, and not a journal of nothing.
  finish_saving();
  if (auto moved = plan_.target.replace(temporary_, item_.to, journal_names()); !moved) return moved;
  journalled_ = former_ = false;
  temporary_made_ = false;
  return {};
}

// What could not be written may be said no earlier. Then nobody knows what of it is there: a next time begins anew.
SftpResult<void> FileCopy::close_target() {
  auto closed = close_lanes();
  if (closed && to_file_ && !closes_well(to_file_->get())) closed = local_fault(fit_for_terminal(item_.to), errno);
  if (closed || closed.error().kind == SftpFault::Kind::lost || item_.in_place) return closed;
  (void)plan_.target.remove(temporary_);
  temporary_made_ = false;
  drop_journal();
  return closed;
}

// A copy that was cut may have left one that was being written, too.
std::vector<std::string> FileCopy::journal_names() const {
  if (former_) return {journal_, journal_ + ".new"};
  return journalled_ ? std::vector<std::string>{journal_} : std::vector<std::string>{};
}

void FileCopy::drop_journal() {
  finish_saving();
  for (const std::string& name : journal_names()) (void)plan_.target.remove(name);
  journalled_ = former_ = false;
}

SftpResult<void> FileCopy::check_source() {
  SftpAttributes now;
  bool finer = false;  // another time within the second
  if (from_file_) {
    struct stat facts;
    if (::fstat(from_file_->get(), &facts) != 0) return local_fault(fit_for_terminal(item_.from), errno);
    now = attributes_from(facts);
    finer = facts.st_mtim.tv_nsec != from_modified_.tv_nsec;
  } else {
    auto answer = lanes_.front().from->ask(sftp_call::fstat(lanes_.front().from_handle));
    auto found = answer ? sftp_answer::attributes(*answer) : tl::unexpected<SftpFault>(std::move(answer.error()));
    if (!found) return about(item_.from, std::move(found.error()));
    now = *found;
  }
  const uint32_t modified = now.times.value_or(SftpTimes{}).modified;
  if (item_.facts.is_regular() &&
      (now.size.value_or(size_) != size_ || (now.times && modified != facts_.modified) || finer))
    return sftp_fault(SftpFault::Kind::changed, "The file changed while it was copied: copy it again");
  return {};
}

SftpResult<void> FileCopy::set_attributes() {
  if (item_.in_place) return {};
  const SftpAttributes wanted = wanted_attributes(plan_, item_);
  if (to_file_) return change_file(to_file_->get(), wanted);
  // A new file has its mode already, as far as the server's mask lets it.
  if (!plan_.options.preserve && (*wanted.mode & kOwnerWrites) == kOwnerWrites) return {};
  auto answer = lanes_.front().to->ask(sftp_call::fsetstat(lanes_.front().to_handle, wanted));
  auto done = answer ? sftp_answer::done(*answer) : tl::unexpected<SftpFault>(std::move(answer.error()));
  if (!done) return about(item_.to, std::move(done.error()));
  return {};
}

SftpResult<void> FileCopy::close_lanes() {
  SftpResult<void> result;
  auto lanes = std::exchange(lanes_, {});
  size_t closing = 0;
  for (Lane& lane : lanes) {
    if (!lane.from_handle.empty()) {
      lane.from->post([handle = lane.from_handle](SftpEngine* engine) {
        if (engine) engine->ask(sftp_call::close(handle), [](SftpResult<SftpAnswer>) {});
      });
    }
    // Of a connection that is gone the others have done all that it had not.
    if (lane.to_handle.empty() || (lane.to->gone() && lanes.size() > 1)) continue;
    ++closing;
    lane.to->ask(sftp_call::close(lane.to_handle), mailbox_, [this, &closing, &result](SftpResult<SftpAnswer> answer) {
      --closing;
      auto closed = std::move(answer).and_then(sftp_answer::done);
      if (!closed && result) result = about(item_.to, std::move(closed.error()));
    });
  }
  while (closing > 0) mailbox_->run(kWaitMs);
  return result;
}

// What the user can do about it.
SftpResult<void> FileCopy::explain(SftpFault fault) {
  const bool resumable = temporary_made_ && size_ >= kLeastResumed && done_.bytes() > 0;
  if (fault.kind == SftpFault::Kind::lost) {
    fault.text += resumable ? "; " + std::to_string(done_.bytes()) + " of " + std::to_string(size_) +
                                  " bytes are there: run the same command again to go on from them"
                            : ": run the same command again";
    return tl::unexpected<SftpFault>(std::move(fault));
  }
  RemoteSide* side = plan_.target.remote();
  if (fault.kind == SftpFault::Kind::refused && side && fault.status == SftpStatus::failure &&
      side->facts().has("statvfs@openssh.com")) {
    // Servers call a full disk a failure and no more.
    auto answer = side->client()->ask(sftp_call::statvfs(std::string(folder_of(item_.to)).append("/.")));
    const auto system = answer ? sftp_answer::filesystem(*answer) : tl::unexpected<SftpFault>(answer.error());
    if (system && system->blocks > 0 && system->available_blocks * system->fragment_size < kFullBytes)
      fault.text += ": the disk there is full";
  }
  if (fault.kind == SftpFault::Kind::local && fault.error == ENOSPC) fault.text += ": free some space and run it again";
  // Of a source that is another by now nothing can be used.
  const bool useless = fault.kind == SftpFault::Kind::changed || !resumable;
  if (temporary_made_ && useless) (void)plan_.target.remove(temporary_);
  if (useless) drop_journal();
  return tl::unexpected<SftpFault>(std::move(fault));
}

}  // namespace sluice
