// memfd_create, and written at its place: the offset stays at the beginning.
#include "base/memory_file.h"

#include <sys/mman.h>
#include <unistd.h>

namespace sluice {

UniqueFd memory_file(const char* name, std::string_view text) {
  UniqueFd file(::memfd_create(name, MFD_CLOEXEC));
  for (size_t at = 0; file && at < text.size();) {
    const ssize_t n = ::pwrite(file.get(), text.data() + at, text.size() - at, static_cast<off_t>(at));
    if (n <= 0) return {};
    at += static_cast<size_t>(n);
  }
  return file;
}

}  // namespace sluice
