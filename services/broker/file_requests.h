// What can be asked of a broker about files: a struct for each request. The comment says what answers it, besides
// Failure.
//
// Paths are bytes without NUL. A relative one begins at the link's start folder. A handle is a number that the broker
// gave; it belongs to the link that got it. Nothing here is believed: the broker's LinkPolicy and the kernel decide.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "services/broker/file_facts.h"

namespace sluice {

enum OpenFlags : uint32_t {
  kOpenRead = 1,
  kOpenWrite = 2,
  kOpenAppend = 4,
  kOpenCreate = 8,
  kOpenTruncate = 16,
  kOpenExclusive = 32,
};

// FileOpened with one descriptor. Directories are refused; FIFOs and devices do not make anybody wait (O_NONBLOCK).
struct OpenFile {
  std::string path;
  uint32_t flags = kOpenRead;
  uint32_t mode = 0666;
  static auto fields(auto& s) { return std::tie(s.path, s.flags, s.mode); }
};
// Of a file, a directory or a listener. Done; as request 0 nothing.
struct CloseHandle {
  uint32_t handle = 0;
  static auto fields(auto& s) { return std::tie(s.handle); }
};
// Attributes. Not follow: of the link itself.
struct StatPath {
  std::string path;
  bool follow = true;
  static auto fields(auto& s) { return std::tie(s.path, s.follow); }
};
// Attributes.
struct StatHandle {
  uint32_t handle = 0;
  static auto fields(auto& s) { return std::tie(s.handle); }
};
// Done.
struct ChangePath {
  std::string path;
  bool follow = true;
  AttributeChange change;
  static auto fields(auto& s) { return std::tie(s.path, s.follow, s.change); }
};
// Done.
struct ChangeHandle {
  uint32_t handle = 0;
  AttributeChange change;
  static auto fields(auto& s) { return std::tie(s.handle, s.change); }
};
// DirectoryOpened.
struct OpenDirectory {
  std::string path;
  static auto fields(auto& s) { return std::tie(s.path); }
};
// Entries, as many as fit a packet and no more than `most`; the last batch says so and may be empty.
struct ReadDirectory {
  uint32_t handle = 0;
  uint32_t most = 1000;
  static auto fields(auto& s) { return std::tie(s.handle, s.most); }
};
// PathFound: absolute, links resolved. The last component need not exist.
struct ResolvePath {
  std::string path;
  static auto fields(auto& s) { return std::tie(s.path); }
};
// PathFound: `~` and `~user` replaced first.
struct ExpandPath {
  std::string path;
  static auto fields(auto& s) { return std::tie(s.path); }
};
// PathFound. Empty: the link's own user.
struct FindHome {
  std::string user;
  static auto fields(auto& s) { return std::tie(s.user); }
};
// Done. No directories.
struct RemoveFile {
  std::string path;
  static auto fields(auto& s) { return std::tie(s.path); }
};
// Done.
struct MakeDirectory {
  std::string path;
  uint32_t mode = 0777;
  static auto fields(auto& s) { return std::tie(s.path, s.mode); }
};
// Done.
struct RemoveDirectory {
  std::string path;
  static auto fields(auto& s) { return std::tie(s.path); }
};
// Done. Nothing is overwritten: SFTP version 3's rename.
struct RenameFile {
  std::string from, to;
  static auto fields(auto& s) { return std::tie(s.from, s.to); }
};
// Done. rename(2): posix-rename@openssh.com.
struct ReplaceFile {
  std::string from, to;
  static auto fields(auto& s) { return std::tie(s.from, s.to); }
};
// PathFound: what the link says.
struct ReadSymlink {
  std::string path;
  static auto fields(auto& s) { return std::tie(s.path); }
};
// Done. `target` is stored as it is.
struct MakeSymlink {
  std::string target, path;
  static auto fields(auto& s) { return std::tie(s.target, s.path); }
};
// Done.
struct MakeHardlink {
  std::string from, to;
  static auto fields(auto& s) { return std::tie(s.from, s.to); }
};
// Filesystem.
struct StatFilesystem {
  std::string path;
  static auto fields(auto& s) { return std::tie(s.path); }
};
// Filesystem.
struct StatFilesystemOf {
  uint32_t handle = 0;
  static auto fields(auto& s) { return std::tie(s.handle); }
};
// Done. Slow.
struct SyncFile {
  uint32_t handle = 0;
  static auto fields(auto& s) { return std::tie(s.handle); }
};
// Done. length 0: to the end of the source. Slow.
struct CopyData {
  uint32_t from = 0;
  uint64_t from_offset = 0, length = 0;
  uint32_t to = 0;
  uint64_t to_offset = 0;
  static auto fields(auto& s) { return std::tie(s.from, s.from_offset, s.length, s.to, s.to_offset); }
};
// Hashes. algorithms: names in order of preference, as draft-ietf-secsh-filexfer-13 section 9.1.2 writes them
// ("sha256,sha1"). length 0: to the end. block 0: one hash over all. Slow.
struct CheckFile {
  uint32_t handle = 0;
  std::string algorithms;
  uint64_t offset = 0, length = 0;
  uint32_t block = 0;
  static auto fields(auto& s) { return std::tie(s.handle, s.algorithms, s.offset, s.length, s.block); }
};
// Names: as many as were asked, an empty one where there is none.
struct NameIds {
  std::vector<uint32_t> users, groups;
  static auto fields(auto& s) { return std::tie(s.users, s.groups); }
};

}  // namespace sluice
