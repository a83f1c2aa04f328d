// System calls with a directory's descriptor.
#include "services/copy/local_side.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include <cerrno>

namespace sluice {
namespace {

constexpr mode_t kPermissions = 07777;

timespec seconds_as_time(uint32_t seconds) { return {static_cast<time_t>(seconds), 0}; }

}  // namespace

bool is_safe_name(std::string_view name) {
  if (name.empty() || name == "." || name == ".." || name.size() > 255) return false;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || c == '/') return false;
  }
  return true;
}

SftpAttributes attributes_from(const struct stat& facts) {
  SftpAttributes found;
  found.size = static_cast<uint64_t>(facts.st_size);
  found.owner = SftpOwner{facts.st_uid, facts.st_gid};
  found.mode = facts.st_mode;
  found.times = SftpTimes{static_cast<uint32_t>(facts.st_atim.tv_sec), static_cast<uint32_t>(facts.st_mtim.tv_sec)};
  return found;
}

SftpResult<void> change_file(int descriptor, const SftpAttributes& wanted) {
  if (wanted.owner && ::fchown(descriptor, wanted.owner->uid, wanted.owner->gid) != 0)
    return local_fault("chown", errno);
  if (wanted.mode && ::fchmod(descriptor, *wanted.mode & kPermissions) != 0) return local_fault("chmod", errno);
  if (wanted.times) {
    const timespec times[2] = {seconds_as_time(wanted.times->accessed), seconds_as_time(wanted.times->modified)};
    if (::futimens(descriptor, times) != 0) return local_fault("set times", errno);
  }
  return {};
}

SftpResult<std::unique_ptr<LocalSide>> LocalSide::below(const std::string& root) {
  auto side = std::make_unique<LocalSide>();
  side->root_ = UniqueFd(::open(root.empty() ? "." : root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!side->root_) return local_fault(root, errno);
  return side;
}

// Step by step, each one no link: what a stranger put in the tree cannot lead out of it.
SftpResult<UniqueFd> LocalSide::descend(std::string_view folder) {
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  const std::string whole(folder);
  UniqueFd found(static_cast<int>(::syscall(SYS_openat2, root_.get(), whole.c_str(), &how, sizeof how)));
  if (found) return found;
  if (errno != ENOSYS && errno != EPERM) return local_fault(fit_for_terminal(folder), errno);
  int at = root_.get();
  while (!folder.empty()) {
    const size_t slash = std::min(folder.find('/'), folder.size());
    const std::string step(folder.substr(0, slash));
    folder.remove_prefix(std::min(slash + 1, folder.size()));
    if (!is_safe_name(step)) return local_fault(fit_for_terminal(step), EINVAL);
    UniqueFd next(::openat(at, step.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next) return local_fault(fit_for_terminal(step), errno);
    found = std::move(next);
    at = found.get();
  }
  return found;
}

SftpResult<LocalSide::Place> LocalSide::place(const std::string& path) {
  if (!root_) return Place{{}, AT_FDCWD, path};
  const std::string_view folder = folder_of(path);
  std::string name(name_of(path));
  if (!is_safe_name(name)) return local_fault(fit_for_terminal(path), EINVAL);
  if (folder.empty()) return Place{{}, root_.get(), std::move(name)};
  auto found = descend(folder);
  if (!found) return tl::unexpected<SftpFault>(std::move(found.error()));
  const int descriptor = found->get();
  return Place{std::move(*found), descriptor, std::move(name)};
}

SftpResult<std::shared_ptr<UniqueFd>> LocalSide::open(const std::string& path, int flags, uint32_t mode) {
  auto where = place(path);
  if (!where) return tl::unexpected<SftpFault>(std::move(where.error()));
  auto file = std::make_shared<UniqueFd>(
      ::openat(where->folder, where->name.c_str(), flags | O_CLOEXEC | (root_ ? O_NOFOLLOW : 0), mode));
  if (!*file) return local_fault(fit_for_terminal(path), errno);
  return file;
}

SftpResult<SftpAttributes> LocalSide::look(const std::string& path, bool follow) {
  auto where = place(path);
  if (!where) return tl::unexpected<SftpFault>(std::move(where.error()));
  struct stat facts;
  const int flags = follow && !root_ ? 0 : AT_SYMLINK_NOFOLLOW;
  if (::fstatat(where->folder, where->name.c_str(), &facts, flags) != 0)
    return local_fault(fit_for_terminal(path), errno);
  return attributes_from(facts);
}

SftpResult<void> LocalSide::list(const std::string& path, const std::function<bool(SftpName&&)>& each) {
  auto folder = open(path, O_RDONLY | O_DIRECTORY);
  if (!folder) return tl::unexpected<SftpFault>(std::move(folder.error()));
  DIR* stream = ::fdopendir((*folder)->get());
  if (!stream) return local_fault(fit_for_terminal(path), errno);
  (*folder)->release();
  int error = 0;
  for (errno = 0; const dirent* entry = ::readdir(stream); errno = 0) {
    SftpName name;
    name.name = entry->d_name;
    if (name.name == "." || name.name == "..") continue;
    struct stat facts;
    // Gone meanwhile: it is not there any more.
    if (::fstatat(::dirfd(stream), entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0) continue;
    name.attributes = attributes_from(facts);
    if (!each(std::move(name))) break;
  }
  error = errno;
  ::closedir(stream);
  if (error != 0) return local_fault(fit_for_terminal(path), error);
  return {};
}

SftpResult<void> LocalSide::make_directory(const std::string& path, uint32_t mode) {
  auto where = place(path);
  if (!where) return tl::unexpected<SftpFault>(std::move(where.error()));
  if (::mkdirat(where->folder, where->name.c_str(), mode & kPermissions) == 0) return {};
  const int error = errno;
  const auto found = look(path, true);
  if (error == EEXIST && found && found->is_directory()) return {};
  if (error == EEXIST && found && found->is_symlink())
    return sftp_fault(SftpFault::Kind::local, fit_for_terminal(path) + ": a link is in the way, and is not followed");
  return local_fault(fit_for_terminal(path), error);
}

SftpResult<void> LocalSide::make_symlink(const std::string& target, const std::string& path) {
  auto where = place(path);
  if (!where) return tl::unexpected<SftpFault>(std::move(where.error()));
  if (::symlinkat(target.c_str(), where->folder, where->name.c_str()) == 0) return {};
  if (errno != EEXIST) return local_fault(fit_for_terminal(path), errno);
  // A link or a file is replaced, as a copied file is; a directory is not.
  if (::unlinkat(where->folder, where->name.c_str(), 0) != 0 ||
      ::symlinkat(target.c_str(), where->folder, where->name.c_str()) != 0)
    return local_fault(fit_for_terminal(path), errno);
  return {};
}

SftpResult<std::string> LocalSide::read_link(const std::string& path) {
  auto where = place(path);
  if (!where) return tl::unexpected<SftpFault>(std::move(where.error()));
  std::string target(4096, 0);
  const ssize_t n = ::readlinkat(where->folder, where->name.c_str(), target.data(), target.size());
  if (n < 0) return local_fault(fit_for_terminal(path), errno);
  target.resize(static_cast<size_t>(n));
  return target;
}

SftpResult<void> LocalSide::replace(const std::string& from, const std::string& to,
                                    const std::vector<std::string>& removed) {
  for (const std::string& name : removed) (void)remove(name);
  auto old_place = place(from);
  auto new_place = place(to);
  if (!old_place) return tl::unexpected<SftpFault>(std::move(old_place.error()));
  if (!new_place) return tl::unexpected<SftpFault>(std::move(new_place.error()));
  if (::renameat(old_place->folder, old_place->name.c_str(), new_place->folder, new_place->name.c_str()) != 0)
    return local_fault(fit_for_terminal(to), errno);
  return {};
}

SftpResult<void> LocalSide::remove(const std::string& path) {
  auto where = place(path);
  if (!where) return tl::unexpected<SftpFault>(std::move(where.error()));
  if (::unlinkat(where->folder, where->name.c_str(), 0) != 0) return local_fault(fit_for_terminal(path), errno);
  return {};
}

SftpResult<void> LocalSide::change(const std::string& path, const SftpAttributes& wanted) {
  auto file = open(path, O_RDONLY | O_NONBLOCK);
  if (!file) return tl::unexpected<SftpFault>(std::move(file.error()));
  return change_file((*file)->get(), wanted);
}

SftpResult<std::vector<uint8_t>> LocalSide::read_small(const std::string& path, size_t most) {
  auto file = open(path, O_RDONLY);
  if (!file) return tl::unexpected<SftpFault>(std::move(file.error()));
  std::vector<uint8_t> content(most);
  size_t got = 0;
  while (got < most) {
    const ssize_t n = ::read((*file)->get(), content.data() + got, most - got);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return local_fault(fit_for_terminal(path), errno);
    if (n == 0) break;
    got += static_cast<size_t>(n);
  }
  content.resize(got);
  return content;
}

SftpResult<void> LocalSide::write_small(const std::string& path, Bytes content) {
  const std::string fresh = path + ".new";
  auto file = open(fresh, O_WRONLY | O_CREAT | O_TRUNC);
  if (!file) return tl::unexpected<SftpFault>(std::move(file.error()));
  while (!content.empty()) {
    const ssize_t n = ::write((*file)->get(), content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return local_fault(fit_for_terminal(path), n < 0 ? errno : EIO);
    content = content.subspan(static_cast<size_t>(n));
  }
  return replace(fresh, path);
}

}  // namespace sluice
