// System calls and what has to be right around them.
#include "services/broker/file_operations.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>

#include "services/broker/attributes_of.h"

namespace sluice {
namespace {

constexpr uint32_t kModeBits = 07777;
constexpr uint32_t kAllOpenFlags = kOpenRead | kOpenWrite | kOpenAppend | kOpenCreate | kOpenTruncate | kOpenExclusive;

Outcome<void> done_if(int result) {
  if (result != 0) return system_failure();
  return {};
}

// -1: flags that contradict each other.
int system_flags(uint32_t flags) {
  const bool read = flags & kOpenRead, write = flags & (kOpenWrite | kOpenAppend);
  if ((flags & ~kAllOpenFlags) != 0 || (!read && !write)) return -1;
  if ((flags & kOpenTruncate) != 0 && !write) return -1;
  if ((flags & kOpenExclusive) != 0 && (flags & kOpenCreate) == 0) return -1;
  int out = read && write ? O_RDWR : write ? O_WRONLY : O_RDONLY;
  if (flags & kOpenAppend) out |= O_APPEND;
  if (flags & kOpenCreate) out |= O_CREAT;
  if (flags & kOpenTruncate) out |= O_TRUNC;
  if (flags & kOpenExclusive) out |= O_EXCL;
  // A FIFO without its other end, or a device, must not make the broker wait; a terminal must not become its own.
  return out | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
}

FilesystemFacts facts_of(const struct statvfs& from) {
  return {from.f_bsize, from.f_frsize, from.f_blocks, from.f_bfree, from.f_bavail, from.f_files,
          from.f_ffree, from.f_favail, from.f_fsid,   from.f_flag,  from.f_namemax};
}

bool sane(const AttributeChange& change) {
  if (change.size && *change.size > static_cast<uint64_t>(INT64_MAX)) return false;
  return !change.times ||
         (change.times->accessed.nanoseconds < 1000000000 && change.times->modified.nanoseconds < 1000000000);
}

std::array<timespec, 2> system_times(const FileTimes& times) {
  return {timespec{times.accessed.seconds, static_cast<long>(times.accessed.nanoseconds)},
          timespec{times.modified.seconds, static_cast<long>(times.modified.nanoseconds)}};
}

// File systems without RENAME_NOREPLACE: a link that fails where something is, then the old name goes. Between the two
// the file has both names, never none.
Outcome<void> rename_by_link(const std::string& from, const std::string& to) {
  struct stat facts;
  if (::lstat(from.c_str(), &facts) != 0) return system_failure();
  if (S_ISREG(facts.st_mode)) {
    if (::link(from.c_str(), to.c_str()) == 0) {
      if (::unlink(from.c_str()) == 0) return {};
      const int why = errno;
      ::unlink(to.c_str());
      return tl::unexpected(failure_of(why));
    }
    // Others than these mean that the file system has no links.
    if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS && errno != EMLINK) return system_failure();
  }
  if (::lstat(to.c_str(), &facts) == 0) return tl::unexpected(failure_of(EEXIST));
  if (errno != ENOENT) return system_failure();
  return done_if(::rename(from.c_str(), to.c_str()));
}

}  // namespace

tl::unexpected<Failure> system_failure() { return tl::unexpected(failure_of(errno)); }

Outcome<OpenedFile> open_file(const std::string& path, uint32_t flags, uint32_t mode) {
  const int how = system_flags(flags);
  if (how < 0) return tl::unexpected(failure_of(EINVAL));
  OpenedFile opened{UniqueFd(::open(path.c_str(), how, mode & kModeBits)), {}};
  if (!opened.descriptor) return system_failure();
  struct stat facts;
  if (::fstat(opened.descriptor.get(), &facts) != 0) return system_failure();
  // With a directory's descriptor the network process could leave its empty root.
  if (S_ISDIR(facts.st_mode)) return tl::unexpected(failure_of(EISDIR));
  if (S_ISREG(facts.st_mode)) (void)::fcntl(opened.descriptor.get(), F_SETFL, how & O_APPEND);
  opened.attributes = attributes_of(facts);
  return opened;
}

Outcome<FileAttributes> stat_path(const std::string& path, bool follow) {
  struct stat facts;
  if (::fstatat(AT_FDCWD, path.c_str(), &facts, follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0) return system_failure();
  return attributes_of(facts);
}

Outcome<FileAttributes> stat_descriptor(int descriptor) {
  struct stat facts;
  if (::fstat(descriptor, &facts) != 0) return system_failure();
  return attributes_of(facts);
}

Outcome<void> change_path(const std::string& path, bool follow, const AttributeChange& change) {
  if (!sane(change)) return tl::unexpected(failure_of(EINVAL));
  const int at = follow ? 0 : AT_SYMLINK_NOFOLLOW;
  if (change.size) {
    // There is no truncation of a symbolic link.
    if (!follow) return tl::unexpected(failure_of(EINVAL));
    if (::truncate(path.c_str(), static_cast<off_t>(*change.size)) != 0) return system_failure();
  }
  if (change.owner && ::fchownat(AT_FDCWD, path.c_str(), change.owner->uid, change.owner->gid, at) != 0)
    return system_failure();
  if (change.mode && ::fchmodat(AT_FDCWD, path.c_str(), *change.mode & kModeBits, at) != 0) return system_failure();
  if (change.times && ::utimensat(AT_FDCWD, path.c_str(), system_times(*change.times).data(), at) != 0)
    return system_failure();
  return {};
}

Outcome<void> change_descriptor(int descriptor, const AttributeChange& change) {
  if (!sane(change)) return tl::unexpected(failure_of(EINVAL));
  if (change.size && ::ftruncate(descriptor, static_cast<off_t>(*change.size)) != 0) return system_failure();
  if (change.owner && ::fchown(descriptor, change.owner->uid, change.owner->gid) != 0) return system_failure();
  if (change.mode && ::fchmod(descriptor, *change.mode & kModeBits) != 0) return system_failure();
  if (change.times && ::futimens(descriptor, system_times(*change.times).data()) != 0) return system_failure();
  return {};
}

Outcome<void> remove_file(const std::string& path) { return done_if(::unlink(path.c_str())); }

Outcome<void> make_directory(const std::string& path, uint32_t mode) {
  return done_if(::mkdir(path.c_str(), mode & kModeBits));
}

Outcome<void> remove_directory(const std::string& path) { return done_if(::rmdir(path.c_str())); }

Outcome<void> rename_file(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno != EINVAL && errno != ENOSYS) return system_failure();
  return rename_by_link(from, to);
}

Outcome<void> replace_file(const std::string& from, const std::string& to) {
  return done_if(::rename(from.c_str(), to.c_str()));
}

Outcome<std::string> read_symlink(const std::string& path) {
  std::array<char, PATH_MAX> target;
  const ssize_t n = ::readlink(path.c_str(), target.data(), target.size());
  if (n < 0) return system_failure();
  return std::string(target.data(), static_cast<size_t>(n));
}

Outcome<void> make_symlink(const std::string& target, const std::string& path) {
  return done_if(::symlink(target.c_str(), path.c_str()));
}

Outcome<void> make_hardlink(const std::string& from, const std::string& to) {
  return done_if(::link(from.c_str(), to.c_str()));
}

Outcome<FilesystemFacts> filesystem_of(const std::string& path) {
  struct statvfs facts;
  if (::statvfs(path.c_str(), &facts) != 0) return system_failure();
  return facts_of(facts);
}

Outcome<FilesystemFacts> filesystem_of(int descriptor) {
  struct statvfs facts;
  if (::fstatvfs(descriptor, &facts) != 0) return system_failure();
  return facts_of(facts);
}

Outcome<std::string> resolve_path(const std::string& path) {
  struct Free {
    void operator()(char* text) const { ::free(text); }
  };
  using Text = std::unique_ptr<char, Free>;
  if (const Text whole(::realpath(path.c_str(), nullptr)); whole) return std::string(whole.get());
  if (errno != ENOENT) return system_failure();
  std::string_view rest(path);
  while (rest.size() > 1 && rest.ends_with('/')) rest.remove_suffix(1);
  const size_t slash = rest.rfind('/');
  const std::string_view last = slash == std::string_view::npos ? rest : rest.substr(slash + 1);
  if (last.empty() || last == "." || last == "..") return tl::unexpected(failure_of(ENOENT));
  std::string parent(slash == std::string_view::npos ? "." : slash == 0 ? "/" : rest.substr(0, slash));
  const Text resolved(::realpath(parent.c_str(), nullptr));
  if (!resolved) return system_failure();
  std::string out(resolved.get());
  if (!out.ends_with('/')) out += '/';
  out += last;
  return out;
}

}  // namespace sluice
