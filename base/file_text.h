// file_text(): all that is in a file, or why there is none to be had.
#pragma once

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>

#include "base/unique_fd.h"

namespace sluice {

// `most`: what whoever wrote the file can make us hold; longer ones are EFBIG. Folders open like files and are EISDIR.
inline std::optional<std::string> file_text(const std::string& path, size_t most) {
  constexpr size_t kPiece = 64 * 1024;
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!file) return std::nullopt;
  std::string text;
  for (;;) {
    const size_t have = text.size(), room = std::min(kPiece, most + 1 - have);
    text.resize(have + room);
    const ssize_t n = ::read(file.get(), text.data() + have, room);
    text.resize(have + static_cast<size_t>(std::max<ssize_t>(n, 0)));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::nullopt;
    if (n == 0) return text;
    if (text.size() <= most) continue;
    errno = EFBIG;
    return std::nullopt;
  }
}

}  // namespace sluice
