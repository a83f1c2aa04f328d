// RemoteFiles: a server's files as a person at a prompt deals with them: calls that wait, names that are judged,
// patterns.
#pragma once

#include "apps/sluice/sftp/path_globs.h"
#include "services/sftp_client/sftp_client.h"

namespace sluice {

// A folder of a server that never stops naming things ends here: its names are kept to be sorted.
inline constexpr size_t kMaxNamesOfFolder = 1'000'000;
inline constexpr size_t kMaxBytesOfFolder = size_t{256} << 20;

class RemoteFiles final : public NameSource {
 public:
  // wait_ready() of the client has succeeded. `interrupted` is asked between answers.
  RemoteFiles(std::shared_ptr<SftpClient> client, SftpServerFacts facts, std::function<bool()> interrupted)
      : client_(std::move(client)), facts_(std::move(facts)), interrupted_(std::move(interrupted)) {}

  SftpClient& client() { return *client_; }
  const SftpServerFacts& facts() const { return facts_; }

  // Where relative paths begin; absolute once the server told it.
  const std::string& folder() const { return folder_; }
  void enter(std::string folder) { folder_ = std::move(folder); }
  // `~` and `~user` by the server's home-directory or expand-path, then against folder().
  SftpResult<std::string> absolute(const std::string& path);
  std::string from_folder(std::string_view path) const { return path_in(folder_, path); }

  // Paths from here on are complete.
  SftpResult<SftpAttributes> stat(const std::string& path);
  SftpResult<SftpAttributes> lstat(const std::string& path);
  SftpResult<std::string> realpath(const std::string& path);
  SftpResult<std::string> readlink(const std::string& path);
  // Names that lead elsewhere are left out; `suspect` hears of each. False of `take`: enough.
  using Take = std::function<bool(SftpName&&)>;
  SftpResult<void> list(const std::string& path, const Take& take);
  // Of a call that is answered by a STATUS.
  SftpResult<void> change(SftpCall call);
  SftpResult<void> rename(const std::string& from, const std::string& to, bool plain);
  SftpResult<void> copy(const std::string& from, const std::string& to);
  SftpResult<SftpFilesystem> filesystem(const std::string& path);
  SftpResult<SftpIdNames> owner_names(const std::vector<uint32_t>& users, const std::vector<uint32_t>& groups);
  // A handle, and its end.
  SftpResult<std::vector<uint8_t>> open(const std::string& path, uint32_t flags, const SftpAttributes& wanted = {});
  SftpResult<void> close(Bytes handle) { return change(sftp_call::close(handle)); }
  // Of a handle that was only read from: there is nothing to be told about its end.
  void forget(std::vector<uint8_t> handle);
  // Both asked at once: what is there, and a handle to it.
  struct Opened {
    SftpResult<SftpAttributes> there;
    SftpResult<std::vector<uint8_t>> handle;
  };
  Opened look_and_open(const std::string& path, uint32_t flags, const SftpAttributes& wanted = {});

  // Relative to folder().
  std::vector<Name> names(const std::string& folder) override;
  bool exists(const std::string& path) override { return lstat(from_folder(path)).has_value(); }
  bool is_folder(const std::string& path) override;

 private:
  SftpResult<SftpAnswer> ask(SftpCall call);

  std::shared_ptr<SftpClient> client_;
  SftpServerFacts facts_;
  std::function<bool()> interrupted_;
  std::string folder_;
};

// As RemoteFiles, of this machine, from its current folder.
class LocalNames final : public NameSource {
 public:
  std::vector<Name> names(const std::string& folder) override;
  bool exists(const std::string& path) override;
  bool is_folder(const std::string& path) override;
};

// A name that would lead out of the folder that it is said to be in.
bool is_suspect_name(std::string_view name);

}  // namespace sluice
