// Opening, checking, reading and replacing of small files.
#include "control/keys/guarded_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "base/random.h"

namespace sluice {
namespace {

class OwnedFd {
 public:
  explicit OwnedFd(int fd) : fd_(fd) {}
  ~OwnedFd() {
    if (fd_ >= 0) ::close(fd_);
  }
  OwnedFd(const OwnedFd&) = delete;
  OwnedFd& operator=(const OwnedFd&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool passes(FileGuard guard, const struct stat& status, uid_t owner) {
  if (guard == FileGuard::none) return true;
  const bool owned = status.st_uid == owner;
  if (!owned && status.st_uid != 0) return false;
  if (guard == FileGuard::trusted) return (status.st_mode & 022) == 0;
  return (status.st_mode & (owned ? 077u : 037u)) == 0;
}

bool write_all(int fd, Bytes content) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    content = content.subspan(static_cast<size_t>(n));
  }
  return true;
}

std::string beside(const std::string& path) {
  uint8_t random[8];
  fill_random(random);
  std::string name = path + ".new-";
  for (const uint8_t byte : random) name += std::string{"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
  return name;
}

}  // namespace

std::string system_error_text(const std::string& path, std::string_view what) {
  const int number = errno;
  return path + ": " + std::string(what) + ": " + std::generic_category().message(number);
}

ResultOrText<Secret> read_guarded_file(const std::string& path, size_t max_size, FileGuard guard, uid_t owner) {
  // Without O_NONBLOCK a FIFO in the file's place would hold us for ever.
  const OwnedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status;
  if (fd.get() < 0 || ::fstat(fd.get(), &status) != 0) return fail(system_error_text(path, "cannot open"));
  if (!S_ISREG(status.st_mode)) return fail(path + ": not a regular file");
  if (!passes(guard, status, owner)) return fail(path + ": owner or permissions are too open");
  if (status.st_size < 0 || static_cast<uint64_t>(status.st_size) > max_size) return fail(path + ": too long");
  Secret content(static_cast<size_t>(status.st_size));
  size_t have = 0;
  while (have < content.size()) {
    const ssize_t n = ::read(fd.get(), content.data() + have, content.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(system_error_text(path, "cannot read"));
    if (n == 0) return fail(path + ": became shorter while it was read");
    have += static_cast<size_t>(n);
  }
  return content;
}

ResultOrText<void> check_folders(const std::string& path, const std::string& top, uid_t owner) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path last = fs::canonical(top, error);
  fs::path folder = fs::canonical(path, error).parent_path();
  if (error) return fail(path + ": " + error.message());
  for (;; folder = folder.parent_path()) {
    struct stat status;
    if (::stat(folder.c_str(), &status) != 0) return fail(system_error_text(folder.string(), "cannot look at"));
    if (!passes(FileGuard::trusted, status, owner))
      return fail(folder.string() + ": owner or permissions of the folder are too open");
    if (folder == last || !folder.has_relative_path()) return {};
  }
}

ResultOrText<void> write_file_atomically(const std::string& path, Bytes content, mode_t mode) {
  const std::string temporary = beside(path);
  {
    const OwnedFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
    if (fd.get() < 0) return fail(system_error_text(temporary, "cannot create"));
    // fchmod because the mode of open is cut by the umask, which is not ours to know.
    if (::fchmod(fd.get(), mode) != 0 || !write_all(fd.get(), content) || ::fsync(fd.get()) != 0) {
      std::string text = system_error_text(temporary, "cannot write");
      ::unlink(temporary.c_str());
      return fail(std::move(text));
    }
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    std::string text = system_error_text(path, "cannot replace");
    ::unlink(temporary.c_str());
    return fail(std::move(text));
  }
  const OwnedFd folder(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0) (void)::fsync(folder.get());
  return {};
}

}  // namespace sluice
