// LocalSide: this machine's end. With a root, paths are resolved below it and no link is followed on the way.
#pragma once

#include <sys/stat.h>

#include "services/copy/copy_side.h"

namespace sluice {

class LocalSide final : public CopySide {
 public:
  // Sources, and destinations that the user named: as the system resolves them.
  LocalSide() = default;
  // Below this directory and never out of it.
  static SftpResult<std::unique_ptr<LocalSide>> below(const std::string& root);

  SftpResult<SftpAttributes> look(const std::string& path, bool follow) override;
  SftpResult<void> list(const std::string& path, const std::function<bool(SftpName&&)>& each) override;
  SftpResult<void> make_directory(const std::string& path, uint32_t mode) override;
  SftpResult<void> make_symlink(const std::string& target, const std::string& path) override;
  SftpResult<std::string> read_link(const std::string& path) override;
  SftpResult<void> replace(const std::string& from, const std::string& to,
                           const std::vector<std::string>& removed = {}) override;
  SftpResult<void> remove(const std::string& path) override;
  SftpResult<void> change(const std::string& path, const SftpAttributes& wanted) override;
  SftpResult<std::vector<uint8_t>> read_small(const std::string& path, size_t most) override;
  SftpResult<void> write_small(const std::string& path, Bytes content) override;

  // With open(2)'s flags; never through a link at its end where there is a root.
  SftpResult<std::shared_ptr<UniqueFd>> open(const std::string& path, int flags, uint32_t mode = 0600);

 private:
  // The directory that holds `path`, and its name there.
  struct Place {
    UniqueFd kept;
    int folder;
    std::string name;
  };
  SftpResult<Place> place(const std::string& path);
  SftpResult<UniqueFd> descend(std::string_view folder);

  UniqueFd root_;
};

SftpAttributes attributes_from(const struct stat& facts);
SftpResult<void> change_file(int descriptor, const SftpAttributes& wanted);

}  // namespace sluice
