// FileCopier: files and trees between here and a server, one after the other, as sftp and scp copy them.
//
// Names come from the caller or pass is_suspect_name(), so that nothing is written beside the target. Errors are told
// on standard error where they happen; the rest is copied all the same.
#pragma once

#include <sys/stat.h>

#include "apps/sluice/sftp/copy_meter.h"
#include "apps/sluice/sftp/remote_files.h"

namespace sluice {

// As deep as OpenSSH goes: a tree that a server makes up has an end.
inline constexpr int kMaxTreeDepth = 64;

struct CopyRules {
  bool recursive = false, preserve = false, resume = false, sync = false;
  bool follow_links = false;  // of a remote tree
  bool tell = false;          // what begins, in a line each
  std::string program;        // whose name is in front of errors: "scp: "; empty for sftp
};

// What a path is called in a folder that it is copied into; of "..", or of nothing at all, the contents go into it.
std::string name_in_folder(const std::string& path);

class FileCopier {
 public:
  struct Surroundings {
    CopyMeter* meter = nullptr;
    std::shared_ptr<RateLimit> limit = {};
    std::function<bool()> interrupted;
    // Receives everything about an error as one line.
    std::function<void(const std::string&)> complain;
  };

  FileCopier(RemoteFiles& remote, Surroundings surroundings) : remote_(remote), around_(std::move(surroundings)) {}

  // Of `from` here or there to just `to`: folders as trees where the rules say so. False: something is missing.
  bool get(const std::string& from, const std::string& to, const CopyRules& rules);
  bool put(const std::string& from, const std::string& to, const CopyRules& rules);
  // `to` may be a folder, into which it goes then.
  bool put_at(const std::string& from, const std::string& to, const CopyRules& rules);

 private:
  // One that is to be put, and what there is of it.
  struct LocalFile {
    std::shared_ptr<UniqueFd> file;
    struct stat facts;
    uint64_t size() const { return static_cast<uint64_t>(facts.st_size); }
  };
  using Handle = std::vector<uint8_t>;
  bool get_file(const std::string& from, const std::string& to, const SftpAttributes& attributes,
                const CopyRules& rules);
  // The handle's end is in it.
  bool get_opened(const std::string& from, const std::string& to, const SftpAttributes& attributes, Handle handle,
                  const CopyRules& rules);
  bool is_gettable(const std::string& from, const SftpAttributes& attributes, const CopyRules& rules);
  bool get_tree(const std::string& from, const std::string& to, const SftpAttributes& attributes,
                const CopyRules& rules, int depth);
  bool get_entry(const std::string& from, const std::string& to, const SftpName& entry, const CopyRules& rules,
                 int depth);
  bool put_file(const std::string& from, const std::string& to, const CopyRules& rules);
  std::optional<LocalFile> open_local(const std::string& from, const CopyRules& rules);
  bool put_opened(const std::string& from, const std::string& to, const LocalFile& source, const Handle& handle,
                  uint64_t before, const CopyRules& rules);
  // Behind a file's last byte, and how its fault is told.
  struct LastCall {
    const char* what;
    SftpCall call;
  };
  std::vector<LastCall> last_calls(const LocalFile& source, const Handle& handle, const CopyRules& rules) const;
  bool put_tree(const std::string& from, const std::string& to, const CopyRules& rules, int depth);
  // What an interrupted transfer left, and how to go on from it.
  void tell_rest(const CopyRules& rules, const char* again, const std::string& from, const std::string& to,
                 uint64_t there, uint64_t total, const SftpFault& fault);
  void tell_full_disk(const CopyRules& rules, const std::string& to, const SftpFault& fault);
  bool make_folder(const std::string& path, uint32_t mode);
  TransferEnd move(TransferOrder order, const std::string& name, uint64_t total, uint64_t before);
  bool complain(const CopyRules& rules, const std::string& what);
  bool complain_of_lookup(const CopyRules& rules, const std::string& path, const SftpFault& fault);
  bool complain(const CopyRules& rules, const std::string& what, const std::string& path, const SftpFault& fault);

  RemoteFiles& remote_;
  const Surroundings around_;
};

}  // namespace sluice
