// How `ls` and `df` of sluice sftp look: sorted names in columns or lines, as OpenSSH's sftp shows them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "apps/sluice/sftp/sftp_command.h"
#include "services/sftp_client/sftp_messages.h"

namespace sluice {

struct ListedFile {
  std::string name;       // as it is shown, still a stranger's
  std::string long_name;  // the server's line
  SftpAttributes attributes;
};

struct OwnerNames {
  bool known = false;  // the server can tell names
  std::map<uint32_t, std::string> users, groups;
};

void sort_listing(std::vector<ListedFile>& files, const SftpFlags& flags);
// Lines, fit for a terminal of that width.
std::string show_listing(const std::vector<ListedFile>& files, const SftpFlags& flags, const OwnerNames& owners,
                         size_t width, int64_t now_s);
std::string show_filesystem(const SftpFilesystem& filesystem, const SftpFlags& flags);
// 1536 -> "1.5K"
std::string scaled_size(uint64_t size);
size_t terminal_width();

}  // namespace sluice
