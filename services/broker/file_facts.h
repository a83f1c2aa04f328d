// What brokers tell and are told about files: attributes, changes to them, file systems; and why something failed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

namespace sluice {

// Coarse enough for every service to map: SFTP's status, SCP's text, RFC 4254's reasons of failed channels.
enum class BrokerFault : uint8_t {
  not_found,      // ENOENT, no such child
  refused,        // EACCES, EPERM: the kernel said no
  forbidden,      // the link's policy said no
  exists,         // EEXIST, ENOTEMPTY
  not_directory,  // ENOTDIR
  is_directory,   // EISDIR
  no_space,       // ENOSPC, EDQUOT, EFBIG
  read_only,      // EROFS
  too_many,       // EMFILE, ENFILE, ENOMEM, the link's quota
  bad_handle,     // closed, never opened, or not of that kind
  invalid,        // EINVAL, a NUL in a name
  name_too_long,  // ENAMETOOLONG
  loop,           // ELOOP
  cross_device,   // EXDEV
  unsupported,    // ENOSYS, EOPNOTSUPP, an unknown hash or signal
  busy,           // EBUSY, ETXTBSY, EADDRINUSE, EAGAIN
  no_such_host,   // the name does not resolve
  not_reachable,  // ECONNREFUSED, ENETUNREACH and their like
  timed_out,      // ETIMEDOUT
  io,             // EIO and whatever else
  gone,           // the broker ended before it answered
  count_,
};

struct Failure {
  BrokerFault fault = BrokerFault::io;
  // 0 where no system call failed.
  uint32_t system_error = 0;
  // One sentence for a person.
  std::string text;
  static auto fields(auto& s) { return std::tie(s.fault, s.system_error, s.text); }
};

BrokerFault fault_of(int system_error);
Failure failure_of(int system_error);
Failure failed(BrokerFault fault, std::string text);

struct FileTime {
  int64_t seconds = 0;
  uint32_t nanoseconds = 0;
  static auto fields(auto& s) { return std::tie(s.seconds, s.nanoseconds); }
  bool operator==(const FileTime&) const = default;
};

struct FileAttributes {
  uint32_t mode = 0;  // with the type's bits, as st_mode
  uint32_t links = 0;
  uint64_t size = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  FileTime accessed, modified;
  static auto fields(auto& s) { return std::tie(s.mode, s.links, s.size, s.uid, s.gid, s.accessed, s.modified); }
};

struct FileOwner {
  uint32_t uid = 0;
  uint32_t gid = 0;
  static auto fields(auto& s) { return std::tie(s.uid, s.gid); }
};

struct FileTimes {
  FileTime accessed, modified;
  static auto fields(auto& s) { return std::tie(s.accessed, s.modified); }
};

// What is absent stays as it is. Done in this order: size, owner, mode, times, so that none undoes another.
struct AttributeChange {
  std::optional<uint64_t> size;
  std::optional<FileOwner> owner;
  std::optional<uint32_t> mode;  // 07777
  std::optional<FileTimes> times;
  static auto fields(auto& s) { return std::tie(s.size, s.owner, s.mode, s.times); }
};

// One name of a directory, as lstat sees it.
struct DirectoryEntry {
  std::string name;
  FileAttributes attributes;
  // Of the owner and the group, for `ls -l`; numbers where they have no name.
  std::string owner, group;
  static auto fields(auto& s) { return std::tie(s.name, s.attributes, s.owner, s.group); }
};

// struct statvfs, in its own order.
struct FilesystemFacts {
  uint64_t block_size = 0, fragment_size = 0, blocks = 0, free_blocks = 0, available_blocks = 0;
  uint64_t files = 0, free_files = 0, available_files = 0, id = 0, flags = 0, longest_name = 0;
  static auto fields(auto& s) {
    return std::tie(s.block_size, s.fragment_size, s.blocks, s.free_blocks, s.available_blocks, s.files, s.free_files,
                    s.available_files, s.id, s.flags, s.longest_name);
  }
};

}  // namespace sluice
