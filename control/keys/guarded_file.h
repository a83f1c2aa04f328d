// Small files that matter: read with their owner and mode checked, written whole or not at all.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <string>

#include "base/result.h"
#include "base/secret.h"

namespace sluice {

enum class FileGuard : uint8_t {
  none,
  // The owner's readable by nobody else, root's by a group at most. A key that others can read is no secret, and to
  // use it regardless would hide that.
  private_key,
  // Writable by nobody else: what it says grants access.
  trusted,
};

// A guarded file belongs to the owner or to root.
ResultOrText<Secret> read_guarded_file(const std::string& path, size_t max_size, FileGuard guard,
                                       uid_t owner = ::geteuid());
// Whether all folders from the file up to and including top, or up to the root where the file is not below top, belong
// to the owner or root and are writable by nobody else: who can write a folder can put another file in its place.
ResultOrText<void> check_folders(const std::string& path, const std::string& top, uid_t owner);

// Written beside its place, flushed, renamed over it; the folder is flushed too.
ResultOrText<void> write_file_atomically(const std::string& path, Bytes content, mode_t mode);

// "path: what: why" from errno.
std::string system_error_text(const std::string& path, std::string_view what);

}  // namespace sluice
