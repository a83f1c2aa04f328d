// A link's requests about files: handles looked up, paths made absolute, outcomes answered.
#include <fcntl.h>

#include "services/broker/broker_link.h"

namespace sluice {
namespace {

Failure bad_handle() { return failed(BrokerFault::bad_handle, "No such handle"); }

// The end of a second descriptor may be what hears that writing by the first one failed; the first one's will not
// again.
BrokerAnswer closed(UniqueFd& second, BrokerAnswer&& otherwise) {
  if (::close(second.release()) != 0 && errno != EINTR) return system_failure().value();
  return std::move(otherwise);
}

}  // namespace

std::string BrokerLink::absolute(const std::string& path) const {
  if (path.starts_with('/')) return path;
  if (path.empty()) return start_folder_;
  std::string whole = start_folder_;
  if (!whole.ends_with('/')) whole += '/';
  return whole += path;
}

// Empty: no such user.
std::string BrokerLink::expanded(const std::string& path) const {
  if (!path.starts_with('~')) return absolute(path);
  const size_t slash = std::min(path.find('/'), path.size());
  const std::string user = path.substr(1, slash - 1);
  const std::string& own = broker_.identity().home;
  std::string home = user.empty() || user == broker_.identity().name ? own : home_of_account(user);
  return home.empty() ? home : home.append(path.substr(slash));
}

std::optional<uint32_t> BrokerLink::add_handle(uint32_t request, Handle&& handle) {
  if (handles_.size() >= policy_.max_handles) {
    answer(request, failed(BrokerFault::too_many, "Too many open files"));
    return std::nullopt;
  }
  // Numbers may come around.
  do ++last_handle_;
  while (handles_.contains(last_handle_));
  handles_.emplace(last_handle_, std::move(handle));
  return last_handle_;
}

int BrokerLink::any_descriptor(uint32_t request, uint32_t handle) {
  const auto found = handles_.find(handle);
  if (found != handles_.end()) {
    if (const auto* file = std::get_if<UniqueFd>(&found->second)) return file->get();
    if (const auto* folder = std::get_if<DirectoryReader>(&found->second)) return folder->descriptor();
  }
  answer(request, bad_handle());
  return -1;
}

UniqueFd BrokerLink::second_descriptor(uint32_t request, uint32_t handle) {
  const UniqueFd* file = handle_of<UniqueFd>(request, handle);
  if (!file) return {};
  UniqueFd second(::fcntl(file->get(), F_DUPFD_CLOEXEC, 0));
  if (!second) answer(request, system_failure().value());
  return second;
}

void BrokerLink::take(uint32_t request, const OpenFile& open) {
  // Before a file is made or cut that could then not be had.
  if (handles_.size() >= policy_.max_handles)
    return answer(request, failed(BrokerFault::too_many, "Too many open files"));
  auto opened = open_file(absolute(open.path), open.flags, open.mode & ~policy_.mask);
  if (!opened) return answer(request, opened.error());
  // No second one is made to be sent: its close() could be the one that hears what went wrong with a write, and it is
  // nobody's who would say so. Until the answer went nobody knows the handle.
  std::vector<UniqueFd> given;
  given.push_back(std::move(opened->descriptor));
  if (const auto handle = add_handle(request, UniqueFd()))
    answer(request, FileOpened{*handle, opened->attributes}, std::move(given), *handle);
}

void BrokerLink::take(uint32_t request, const CloseHandle& close) {
  const auto found = handles_.find(close.handle);
  BrokerAnswer outcome = found != handles_.end() ? BrokerAnswer(Done{}) : BrokerAnswer(bad_handle());
  if (found != handles_.end()) {
    // By hand: some file systems say only now that writing failed.
    auto* file = std::get_if<UniqueFd>(&found->second);
    if (file && ::close(file->release()) != 0 && errno != EINTR) outcome = system_failure().value();
    handles_.erase(found);
  }
  if (request != 0) answer(request, outcome);
}

void BrokerLink::take(uint32_t request, const StatPath& stat) {
  answer_with<Attributes>(request, stat_path(absolute(stat.path), stat.follow));
}

void BrokerLink::take(uint32_t request, const StatHandle& stat) {
  const int descriptor = any_descriptor(request, stat.handle);
  if (descriptor >= 0) answer_with<Attributes>(request, stat_descriptor(descriptor));
}

void BrokerLink::take(uint32_t request, const ChangePath& change) {
  answer(request, change_path(absolute(change.path), change.follow, change.change));
}

void BrokerLink::take(uint32_t request, const ChangeHandle& change) {
  const int descriptor = any_descriptor(request, change.handle);
  if (descriptor >= 0) answer(request, change_descriptor(descriptor, change.change));
}

void BrokerLink::take(uint32_t request, const OpenDirectory& open) {
  auto opened = DirectoryReader::open(absolute(open.path));
  if (!opened) return answer(request, opened.error());
  if (const auto handle = add_handle(request, std::move(*opened))) answer(request, DirectoryOpened{*handle});
}

void BrokerLink::take(uint32_t request, const ReadDirectory& read) {
  auto* folder = handle_of<DirectoryReader>(request, read.handle);
  if (folder) answer_with<Entries>(request, folder->next(read.most, broker_.names()));
}

void BrokerLink::take(uint32_t request, const ResolvePath& resolve) {
  answer_with<PathFound>(request, resolve_path(absolute(resolve.path)));
}

void BrokerLink::take(uint32_t request, const ExpandPath& expand) {
  const std::string path = expanded(expand.path);
  if (path.empty()) return answer(request, failed(BrokerFault::not_found, "No such user"));
  answer_with<PathFound>(request, resolve_path(path));
}

void BrokerLink::take(uint32_t request, const FindHome& find) {
  const UserIdentity& own = broker_.identity();
  std::string home = find.user.empty() || find.user == own.name ? own.home : home_of_account(find.user);
  if (home.empty()) return answer(request, failed(BrokerFault::not_found, "No such user"));
  answer(request, PathFound{std::move(home)});
}

void BrokerLink::take(uint32_t request, const RemoveFile& remove) {
  answer(request, remove_file(absolute(remove.path)));
}

void BrokerLink::take(uint32_t request, const MakeDirectory& make) {
  answer(request, make_directory(absolute(make.path), make.mode & ~policy_.mask));
}

void BrokerLink::take(uint32_t request, const RemoveDirectory& remove) {
  answer(request, remove_directory(absolute(remove.path)));
}

void BrokerLink::take(uint32_t request, const RenameFile& rename) {
  answer(request, rename_file(absolute(rename.from), absolute(rename.to)));
}

void BrokerLink::take(uint32_t request, const ReplaceFile& replace) {
  answer(request, replace_file(absolute(replace.from), absolute(replace.to)));
}

void BrokerLink::take(uint32_t request, const ReadSymlink& read) {
  answer_with<PathFound>(request, read_symlink(absolute(read.path)));
}

void BrokerLink::take(uint32_t request, const MakeSymlink& make) {
  answer(request, make_symlink(make.target, absolute(make.path)));
}

void BrokerLink::take(uint32_t request, const MakeHardlink& make) {
  answer(request, make_hardlink(absolute(make.from), absolute(make.to)));
}

void BrokerLink::take(uint32_t request, const StatFilesystem& stat) {
  answer_with<Filesystem>(request, filesystem_of(absolute(stat.path)));
}

void BrokerLink::take(uint32_t request, const StatFilesystemOf& stat) {
  const int descriptor = any_descriptor(request, stat.handle);
  if (descriptor >= 0) answer_with<Filesystem>(request, filesystem_of(descriptor));
}

void BrokerLink::take(uint32_t request, const SyncFile& sync) {
  auto file = std::make_shared<UniqueFd>(second_descriptor(request, sync.handle));
  if (!*file) return;
  aside(request, [file](const std::atomic<bool>&) -> BrokerAnswer {
    if (::fsync(file->get()) != 0) return system_failure().value();
    return closed(*file, Done{});
  });
}

void BrokerLink::take(uint32_t request, const CopyData& copy) {
  auto from = std::make_shared<UniqueFd>(second_descriptor(request, copy.from));
  if (!*from) return;
  auto to = std::make_shared<UniqueFd>(second_descriptor(request, copy.to));
  if (!*to) return;
  aside(request, [from, to, copy](const std::atomic<bool>& cancelled) -> BrokerAnswer {
    const auto copied = copy_range(from->get(), to->get(), copy, cancelled);
    if (!copied) return copied.error();
    return closed(*from, closed(*to, Done{}));
  });
}

void BrokerLink::take(uint32_t request, const CheckFile& check) {
  auto file = std::make_shared<UniqueFd>(second_descriptor(request, check.handle));
  if (!*file) return;
  aside(request, [file, check, &digests = broker_.digests()](const std::atomic<bool>& cancelled) -> BrokerAnswer {
    auto hashes = hash_range(file->get(), check, digests, cancelled);
    if (!hashes) return hashes.error();
    return closed(*file, std::move(*hashes));
  });
}

void BrokerLink::take(uint32_t request, const NameIds& name) {
  Names names;
  for (const uint32_t uid : name.users) names.users.push_back(broker_.names().user(uid));
  for (const uint32_t gid : name.groups) names.groups.push_back(broker_.names().group(gid));
  answer(request, std::move(names));
}

}  // namespace sluice
