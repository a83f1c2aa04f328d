// Copies by a FileCopier: what is checked, opened, moved and set, in OpenSSH's order.
#include "apps/sluice/sftp/file_copier.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>

#include "services/transfer/late_errors.h"

namespace sluice {
namespace {

// A transfer's progress is looked at so often.
constexpr int kLookMs = 100;
// Less than this is full.
constexpr uint64_t kFullBytes = 64 * 1024;

std::string shown(const std::string& path) { return fit_for_terminal(path, 4096); }

timespec seconds(uint32_t s) { return {static_cast<time_t>(s), 0}; }

std::string errno_text() { return std::strerror(errno); }

SftpAttributes attributes_of(const struct stat& facts, bool preserve) {
  SftpAttributes wanted;
  wanted.mode = facts.st_mode & 0777;
  if (preserve) wanted.times = SftpTimes{static_cast<uint32_t>(facts.st_atime), static_cast<uint32_t>(facts.st_mtime)};
  return wanted;
}

}  // namespace

std::string name_in_folder(const std::string& path) {
  const std::string name = base_name(path);
  return name.empty() || name == ".." ? "." : name;
}

bool FileCopier::complain(const CopyRules& rules, const std::string& what) {
  around_.complain(rules.program + what);
  return false;
}

bool FileCopier::complain(const CopyRules& rules, const std::string& what, const std::string& path,
                          const SftpFault& fault) {
  return complain(rules, what + " \"" + shown(path) + "\": " + fault.text);
}

bool FileCopier::complain_of_lookup(const CopyRules& rules, const std::string& path, const SftpFault& fault) {
  if (fault.kind == SftpFault::Kind::refused && fault.status == SftpStatus::no_such_file && rules.program.empty())
    return complain(rules, "File \"" + shown(path) + "\" not found.");
  return complain(rules, "stat remote", path, fault);
}

void FileCopier::tell_rest(const CopyRules& rules, const char* again, const std::string& from, const std::string& to,
                           uint64_t there, uint64_t total, const SftpFault& fault) {
  const bool full = fault.kind == SftpFault::Kind::local && fault.error == ENOSPC;
  if (full) complain(rules, "The disk here is full: free some space.");
  const bool cut = full || fault.kind == SftpFault::Kind::cancelled || fault.kind == SftpFault::Kind::lost;
  if (!cut || there == 0) return;
  const std::string how = rules.program.empty() ? std::string(again) + " " + shown(from) + " " + shown(to)
                                                : std::string("sluice sftp's ") + again;
  complain(rules, std::to_string(there) + " of " + std::to_string(total) + " bytes are in \"" + shown(to) +
                      "\": " + how + " goes on from there");
}

TransferEnd FileCopier::move(TransferOrder order, const std::string& name, uint64_t total, uint64_t before) {
  order.limit = around_.limit;
  if (around_.meter) around_.meter->begin(shown(base_name(name)), total, before);
  const auto mailbox = std::make_shared<Mailbox>();
  std::optional<TransferEnd> end;
  const auto transfer =
      remote_.client().start(std::move(order), mailbox, [&end](TransferEnd e) { end = std::move(e); });
  while (!end) {
    mailbox->run(kLookMs);
    if (around_.interrupted()) transfer->cancel();
    if (around_.meter) around_.meter->moved(before + transfer->moved());
  }
  if (around_.meter) {
    around_.meter->moved(before + end->moved);
    around_.meter->end(!end->fault);
  }
  return std::move(*end);
}

bool FileCopier::get(const std::string& from, const std::string& to, const CopyRules& rules) {
  RemoteFiles::Opened both{sftp_fault(SftpFault::Kind::local, ""), sftp_fault(SftpFault::Kind::local, "")};
  // Elsewhere opening a FIFO would wait for somebody who writes to it.
  const bool at_once = remote_.facts().opens_at_once && !rules.recursive;
  if (at_once)
    both = remote_.look_and_open(from, kSftpRead);
  else
    both.there = remote_.stat(from);
  const auto& attributes = both.there;
  if (!attributes) return complain_of_lookup(rules, from, attributes.error());
  const bool file = !attributes->is_directory();
  if (at_once && file && both.handle && is_gettable(from, *attributes, rules))
    return get_opened(from, to, *attributes, *both.handle, rules);
  if (at_once && both.handle) remote_.forget(*both.handle);
  if (at_once && file && !both.handle && is_gettable(from, *attributes, rules))
    return complain(rules, "remote open", from, both.handle.error());
  if (at_once && file) return false;
  if (file) return get_file(from, to, *attributes, rules);
  if (!rules.recursive)
    return complain(rules, "download \"" + shown(from) + "\": not a regular file (-r copies folders)");
  return get_tree(from, to, *attributes, rules, 0);
}

bool FileCopier::is_gettable(const std::string& from, const SftpAttributes& attributes, const CopyRules& rules) {
  if (attributes.mode && !attributes.is_regular())
    return complain(rules, "download \"" + shown(from) + "\": not a regular file");
  // What no file here could be as long as.
  if (attributes.size.value_or(0) > static_cast<uint64_t>(std::numeric_limits<off_t>::max()))
    return complain(rules, "download \"" + shown(from) + "\": the server tells an impossible size");
  return true;
}

bool FileCopier::get_file(const std::string& from, const std::string& to, const SftpAttributes& attributes,
                          const CopyRules& rules) {
  if (!is_gettable(from, attributes, rules)) return false;
  auto handle = remote_.open(from, kSftpRead);
  if (!handle) return complain(rules, "remote open", from, handle.error());
  return get_opened(from, to, attributes, std::move(*handle), rules);
}

bool FileCopier::get_opened(const std::string& from, const std::string& to, const SftpAttributes& attributes,
                            Handle handle, const CopyRules& rules) {
  if (rules.tell) std::printf("Fetching %s to %s\n", shown(from).c_str(), shown(to).c_str());
  const uint64_t size = attributes.size.value_or(0);
  const mode_t mode = (attributes.mode.value_or(0666) & 0777) | S_IWUSR;
  const auto file = std::make_shared<UniqueFd>(
      ::open(to.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | (rules.resume ? 0 : O_TRUNC), mode));
  struct stat facts {};
  if (!*file || ::fstat(file->get(), &facts) != 0) {
    const std::string why = errno_text();
    remote_.forget(std::move(handle));
    return complain(rules, "local open \"" + shown(to) + "\": " + why);
  }
  TransferOrder order{.direction = TransferOrder::Direction::get, .file = file, .handle = handle};
  const uint64_t before = rules.resume ? static_cast<uint64_t>(facts.st_size) : 0;
  bool good = true;
  if (rules.resume && before > size) {
    good = complain(rules, "Unable to resume download of \"" + shown(to) + "\": local file is larger than remote");
  } else {
    // A file of no told size (as /proc has them) is whatever comes.
    if (size > 0) order.length = size - before;
    order.local_offset = order.remote_offset = before;
    if (size == 0 || order.length > 0) {
      const TransferEnd end = move(std::move(order), from, size, before);
      if (end.fault) {
        good = complain(rules, "read remote", from, *end.fault);
        tell_rest(rules, "reget", from, to, before + end.moved, size, *end.fault);
      }
    }
  }
  remote_.forget(std::move(handle));
  // As far as it came, so that a resumed copy has its rights too.
  if (rules.preserve && attributes.mode && ::fchmod(file->get(), *attributes.mode & 0777) != 0)
    good = complain(rules, "local chmod \"" + shown(to) + "\": " + errno_text());
  if (rules.preserve && attributes.times) {
    const timespec times[2] = {seconds(attributes.times->accessed), seconds(attributes.times->modified)};
    if (::futimens(file->get(), times) != 0)
      good = complain(rules, "local set times on \"" + shown(to) + "\": " + errno_text());
  }
  if (!closes_well(file->get())) good = complain(rules, "local close \"" + shown(to) + "\": " + errno_text());
  if (good && rules.sync && ::fsync(file->get()) != 0)
    good = complain(rules, "local sync \"" + shown(to) + "\": " + errno_text());
  return good;
}

bool FileCopier::get_tree(const std::string& from, const std::string& to, const SftpAttributes& attributes,
                          const CopyRules& rules, int depth) {
  if (depth >= kMaxTreeDepth)
    return complain(rules, "Maximum directory depth exceeded: " + std::to_string(depth) + " levels");
  if (rules.tell) std::printf("Retrieving %s\n", shown(from).c_str());
  const mode_t mode = attributes.mode.value_or(0777) & 0777;
  if (::mkdir(to.c_str(), mode | S_IWUSR | S_IXUSR) != 0) {
    const int error = errno;
    struct stat facts {};
    const bool there = error == EEXIST && ::stat(to.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode);
    if (!there) return complain(rules, "mkdir \"" + shown(to) + "\": " + std::strerror(error));
  }
  bool good = true;
  std::vector<SftpName> entries;
  const auto listed = remote_.list(from, [&](SftpName&& entry) {
    entries.push_back(std::move(entry));
    return true;
  });
  if (!listed) good = complain(rules, "remote readdir", from, listed.error());
  for (const SftpName& entry : entries) {
    if (around_.interrupted()) return false;
    if (entry.name == "." || entry.name == "..") continue;
    good = get_entry(path_in(from, entry.name), path_in(to, entry.name), entry, rules, depth) && good;
  }
  if (rules.preserve && attributes.times) {
    const timespec times[2] = {seconds(attributes.times->accessed), seconds(attributes.times->modified)};
    if (::utimensat(AT_FDCWD, to.c_str(), times, 0) != 0)
      good = complain(rules, "local set times on \"" + shown(to) + "\": " + errno_text());
  }
  // Rights that were lent for writing into it.
  if (rules.preserve && attributes.mode && (mode | S_IWUSR | S_IXUSR) != mode && ::chmod(to.c_str(), mode) != 0)
    good = complain(rules, "local chmod \"" + shown(to) + "\": " + errno_text());
  return good;
}

bool FileCopier::get_entry(const std::string& from, const std::string& to, const SftpName& entry,
                           const CopyRules& rules, int depth) {
  if (entry.attributes.is_directory()) return get_tree(from, to, entry.attributes, rules, depth + 1);
  if (entry.attributes.is_regular()) return get_file(from, to, entry.attributes, rules);
  const bool unknown = !entry.attributes.mode;
  if (unknown || (entry.attributes.is_symlink() && rules.follow_links)) {
    // What it leads to, or what a server is that tells nothing in listings.
    const auto target = rules.follow_links ? remote_.stat(from) : remote_.lstat(from);
    if (!target) return complain(rules, "stat remote", from, target.error());
    if (target->is_directory()) return get_tree(from, to, *target, rules, depth + 1);
    return get_file(from, to, *target, rules);
  }
  around_.complain(rules.program + "download \"" + shown(from) + "\": not a regular file");
  return true;
}

bool FileCopier::put(const std::string& from, const std::string& to, const CopyRules& rules) {
  struct stat facts {};
  if (::stat(from.c_str(), &facts) != 0) return complain(rules, "stat local \"" + shown(from) + "\": " + errno_text());
  if (!S_ISDIR(facts.st_mode)) return put_file(from, to, rules);
  if (!rules.recursive) return complain(rules, "\"" + shown(from) + "\" is not a regular file (-r copies folders)");
  return put_tree(from, to, rules, 0);
}

std::optional<FileCopier::LocalFile> FileCopier::open_local(const std::string& from, const CopyRules& rules) {
  // Not to wait for whoever opens the other end of a FIFO.
  LocalFile source{std::make_shared<UniqueFd>(::open(from.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)), {}};
  if (!*source.file || ::fstat(source.file->get(), &source.facts) != 0)
    complain(rules, "local open \"" + shown(from) + "\": " + errno_text());
  else if (!S_ISREG(source.facts.st_mode))
    complain(rules, "local \"" + shown(from) + "\" is not a regular file");
  else
    return source;
  return std::nullopt;
}

bool FileCopier::put_at(const std::string& from, const std::string& to, const CopyRules& rules) {
  struct stat facts {};
  const bool file = ::stat(from.c_str(), &facts) == 0 && S_ISREG(facts.st_mode);
  const std::string inside = path_in(to, name_in_folder(from));
  if (!file || rules.resume) return put(from, remote_.is_folder(to) ? inside : to, rules);
  const auto source = open_local(from, rules);
  if (!source) return false;
  constexpr uint32_t kFresh = kSftpWrite | kSftpCreate | kSftpTruncate;
  const SftpAttributes wanted = attributes_of(source->facts, false);
  // Should it be a folder nothing is opened.
  auto both = remote_.look_and_open(to, kFresh, wanted);
  const bool folder = both.there && both.there->is_directory();
  if (folder && both.handle) remote_.forget(*both.handle);
  if (folder) both.handle = remote_.open(inside, kFresh, wanted);
  const std::string& path = folder ? inside : to;
  if (rules.tell) std::printf("Uploading %s to %s\n", shown(from).c_str(), shown(path).c_str());
  if (!both.handle) return complain(rules, "dest open", path, both.handle.error());
  return put_opened(from, path, *source, *both.handle, 0, rules);
}

bool FileCopier::put_file(const std::string& from, const std::string& to, const CopyRules& rules) {
  const auto source = open_local(from, rules);
  if (!source) return false;
  if (rules.tell) std::printf("Uploading %s to %s\n", shown(from).c_str(), shown(to).c_str());
  uint64_t before = 0;
  if (rules.resume) {
    const auto there = remote_.stat(to);
    if (there) before = there->size.value_or(0);
    if (there && before == source->size() && before > 0) return true;
    if (before > source->size())
      return complain(rules, "Unable to resume upload of \"" + shown(to) + "\": remote file is larger than local");
  }
  const auto handle = remote_.open(to, kSftpWrite | kSftpCreate | (rules.resume ? 0u : kSftpTruncate),
                                   attributes_of(source->facts, false));
  if (!handle) return complain(rules, "dest open", to, handle.error());
  return put_opened(from, to, *source, *handle, before, rules);
}

std::vector<FileCopier::LastCall> FileCopier::last_calls(const LocalFile& source, const Handle& handle,
                                                         const CopyRules& rules) const {
  std::vector<LastCall> calls;
  if (rules.preserve)
    calls.push_back({"remote setstat", sftp_call::fsetstat(handle, attributes_of(source.facts, true))});
  if (rules.sync && remote_.facts().has("fsync@openssh.com"))
    calls.push_back({"remote fsync", sftp_call::fsync(handle)});
  calls.push_back({"close remote", sftp_call::close(handle)});
  return calls;
}

bool FileCopier::put_opened(const std::string& from, const std::string& to, const LocalFile& source,
                            const Handle& handle, uint64_t before, const CopyRules& rules) {
  const std::vector<LastCall> calls = last_calls(source, handle, rules);
  std::vector<SftpResult<void>> answers;
  bool good = true;
  if (source.size() > before) {
    TransferOrder order{.direction = TransferOrder::Direction::put, .file = source.file, .handle = handle};
    order.local_offset = order.remote_offset = before;
    order.length = source.size() - before;
    for (const LastCall& last : calls)
      if (remote_.facts().ordered) order.behind.push_back(last.call);
    TransferEnd end = move(std::move(order), from, source.size(), before);
    answers = std::move(end.behind);
    if (end.fault) {
      good = complain(rules, "write remote", to, *end.fault);
      tell_full_disk(rules, to, *end.fault);
      tell_rest(rules, "reput", from, to, before + end.moved, source.size(), *end.fault);
    }
  } else if (around_.meter) {
    around_.meter->begin(shown(base_name(from)), source.size(), before);
    around_.meter->end(true);
  }
  for (size_t i = 0; i < calls.size(); ++i) {
    if (i >= answers.size()) {
      const bool close = i + 1 == calls.size();
      if (!good && close) remote_.forget(handle);
      answers.push_back(good ? remote_.change(calls[i].call) : SftpResult<void>());
    }
    if (good && !answers[i]) good = complain(rules, calls[i].what, to, answers[i].error());
  }
  if (good && rules.sync && !remote_.facts().has("fsync@openssh.com"))
    good = complain(rules, "the server does not know fsync@openssh.com: \"" + shown(to) + "\" may not be on its disk");
  return good;
}

// Servers call a full disk a failure and no more.
void FileCopier::tell_full_disk(const CopyRules& rules, const std::string& to, const SftpFault& fault) {
  if (fault.kind != SftpFault::Kind::refused || fault.status != SftpStatus::failure ||
      !remote_.facts().has("statvfs@openssh.com"))
    return;
  const size_t slash = to.rfind('/');
  const auto system = remote_.filesystem(slash == std::string::npos ? "." : to.substr(0, slash + 1));
  if (system && system->blocks > 0 && system->available_blocks * system->fragment_size < kFullBytes)
    complain(rules, "The disk there is full: free some space, or choose another folder.");
}

bool FileCopier::make_folder(const std::string& path, uint32_t mode) {
  SftpAttributes wanted;
  wanted.mode = mode;
  if (remote_.change(sftp_call::mkdir(path, wanted))) return true;
  // Servers say no more than "failure" of what exists.
  const auto there = remote_.stat(path);
  return there && there->is_directory();
}

bool FileCopier::put_tree(const std::string& from, const std::string& to, const CopyRules& rules, int depth) {
  if (depth >= kMaxTreeDepth)
    return complain(rules, "Maximum directory depth exceeded: " + std::to_string(depth) + " levels");
  if (rules.tell) std::printf("Entering %s\n", shown(from).c_str());
  DIR* directory = ::opendir(from.c_str());
  struct stat facts {};
  if (!directory || ::fstat(::dirfd(directory), &facts) != 0) {
    const std::string why = errno_text();
    if (directory) ::closedir(directory);
    return complain(rules, "local opendir \"" + shown(from) + "\": " + why);
  }
  bool good = true;
  const uint32_t mode = facts.st_mode & 0777;
  if (!make_folder(to, mode | S_IWUSR | S_IXUSR)) {
    ::closedir(directory);
    return complain(rules, "remote mkdir \"" + shown(to) + "\": failed");
  }
  while (const dirent* entry = ::readdir(directory)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (around_.interrupted()) {
      good = false;
      break;
    }
    const std::string path = path_in(from, name), target = path_in(to, name);
    struct stat inner {};
    if (::lstat(path.c_str(), &inner) != 0) {
      good = complain(rules, "local lstat \"" + shown(path) + "\": " + errno_text());
      continue;
    }
    const bool link = S_ISLNK(inner.st_mode);
    if (link && rules.follow_links && ::stat(path.c_str(), &inner) != 0) {
      good = complain(rules, "local stat \"" + shown(path) + "\": " + errno_text());
      continue;
    }
    if (S_ISDIR(inner.st_mode))
      good = put_tree(path, target, rules, depth + 1) && good;
    else if (S_ISREG(inner.st_mode))
      good = put_file(path, target, rules) && good;
    else
      around_.complain(rules.program + "local \"" + shown(path) + "\" is not a regular file");
  }
  ::closedir(directory);
  if (rules.preserve) {
    const auto set = remote_.change(sftp_call::setstat(to, attributes_of(facts, true)));
    if (!set) good = complain(rules, "remote setstat", to, set.error());
  }
  return good;
}

}  // namespace sluice
