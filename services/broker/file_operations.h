// What a broker does with paths and open files that is quickly done: one function each, in the kernel's own rights.
//
// Paths are absolute. Nothing here knows links or policies.
#pragma once

#include <string>
#include <tl/expected.hpp>

#include "base/unique_fd.h"
#include "services/broker/file_requests.h"

namespace sluice {

template <class T>
using Outcome = tl::expected<T, Failure>;

// With errno's present value.
tl::unexpected<Failure> system_failure();

struct OpenedFile {
  UniqueFd descriptor;
  FileAttributes attributes;
};

Outcome<OpenedFile> open_file(const std::string& path, uint32_t flags, uint32_t mode);
Outcome<FileAttributes> stat_path(const std::string& path, bool follow);
Outcome<FileAttributes> stat_descriptor(int descriptor);
Outcome<void> change_path(const std::string& path, bool follow, const AttributeChange& change);
Outcome<void> change_descriptor(int descriptor, const AttributeChange& change);
Outcome<void> remove_file(const std::string& path);
Outcome<void> make_directory(const std::string& path, uint32_t mode);
Outcome<void> remove_directory(const std::string& path);
Outcome<void> rename_file(const std::string& from, const std::string& to);
Outcome<void> replace_file(const std::string& from, const std::string& to);
Outcome<std::string> read_symlink(const std::string& path);
Outcome<void> make_symlink(const std::string& target, const std::string& path);
Outcome<void> make_hardlink(const std::string& from, const std::string& to);
Outcome<FilesystemFacts> filesystem_of(const std::string& path);
Outcome<FilesystemFacts> filesystem_of(int descriptor);
// Links resolved, without . and ..; the last component need not exist.
Outcome<std::string> resolve_path(const std::string& path);

}  // namespace sluice
