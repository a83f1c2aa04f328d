// CopySide: one end of a copy, this machine or a server, by the few operations that copying needs. All of them wait.
//
// A destination's paths are below its root and never lead out of it, whatever names and links a stranger put there.
#pragma once

#include "services/sftp_client/sftp_client.h"

namespace sluice {

class RemoteSide;

class CopySide {
 public:
  virtual ~CopySide() = default;
  // Null: this machine.
  virtual RemoteSide* remote() { return nullptr; }
  // Of a link itself, or of what it points to.
  virtual SftpResult<SftpAttributes> look(const std::string& path, bool follow) = 0;
  // Calls for each entry but . and ..; false from it ends the listing.
  virtual SftpResult<void> list(const std::string& path, const std::function<bool(SftpName&&)>& each) = 0;
  // Well, too, where there is a directory already.
  virtual SftpResult<void> make_directory(const std::string& path, uint32_t mode) = 0;
  virtual SftpResult<void> make_symlink(const std::string& target, const std::string& path) = 0;
  virtual SftpResult<std::string> read_link(const std::string& path) = 0;
  // Over what is there, and before that removes others.
  virtual SftpResult<void> replace(const std::string& from, const std::string& to,
                                   const std::vector<std::string>& removed = {}) = 0;
  virtual SftpResult<void> remove(const std::string& path) = 0;
  virtual SftpResult<void> change(const std::string& path, const SftpAttributes& wanted) = 0;
  // Small files as a whole: journals.
  virtual SftpResult<std::vector<uint8_t>> read_small(const std::string& path, size_t most) = 0;
  virtual SftpResult<void> write_small(const std::string& path, Bytes content) = 0;
};

// "a/b" of "a" and "b"; either may be empty.
inline std::string join_path(const std::string& folder, const std::string& name) {
  if (folder.empty() || name.empty()) return folder + name;
  return folder.back() == '/' ? folder + name : folder + "/" + name;
}
inline std::string_view folder_of(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash == 0 ? 1 : slash);
}
inline std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// What may become a file's name here: no way up or aside, nothing that a terminal would obey.
bool is_safe_name(std::string_view name);

}  // namespace sluice
