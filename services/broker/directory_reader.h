// DirectoryReader: an open directory, told in batches that fit a packet; a million names cost no more memory than one.
#pragma once

#include <dirent.h>

#include <memory>
#include <optional>

#include "services/broker/account_names.h"
#include "services/broker/broker_protocol.h"
#include "services/broker/file_operations.h"

namespace sluice {

class DirectoryReader {
 public:
  static Outcome<DirectoryReader> open(const std::string& path);

  // `last` when nothing follows. `.` and `..` are among them, as everywhere in SFTP.
  Outcome<Entries> next(size_t most, AccountNames& names);
  int descriptor() const { return ::dirfd(stream_.get()); }

 private:
  struct Close {
    void operator()(DIR* stream) const { ::closedir(stream); }
  };

  explicit DirectoryReader(DIR* stream) : stream_(stream) {}
  std::optional<DirectoryEntry> entry_of(const dirent& found, AccountNames& names) const;

  std::unique_ptr<DIR, Close> stream_;
  // Read, but the packet was full.
  std::optional<DirectoryEntry> kept_;
};

}  // namespace sluice
