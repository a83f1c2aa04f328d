// Written beside, then put in place; removed only while it is ours.
#include "apps/sluiced/pid_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "base/unique_fd.h"

namespace sluice {

ResultOrText<void> PidFile::write(const std::string& path) {
  const std::string beside = path + "." + std::to_string(::getpid());
  const std::string text = std::to_string(::getpid()) + "\n";
  const UniqueFd file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  const bool whole = file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (!whole || ::rename(beside.c_str(), path.c_str()) != 0) {
    const std::string why = path + ": " + std::strerror(errno);
    ::unlink(beside.c_str());
    return fail(why);
  }
  path_ = path;
  return {};
}

PidFile::~PidFile() {
  if (path_.empty()) return;
  std::ifstream file(path_);
  pid_t process = 0;
  if (file >> process && process == ::getpid()) ::unlink(path_.c_str());
}

}  // namespace sluice
