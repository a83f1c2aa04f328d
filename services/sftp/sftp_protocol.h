// SFTP version 3, draft-ietf-secsh-filexfer-02: its numbers, and the limits that we set to it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice {

// Section 3.
enum class SftpType : uint8_t {
  init = 1,
  version = 2,
  open = 3,
  close = 4,
  read = 5,
  write = 6,
  lstat = 7,
  fstat = 8,
  setstat = 9,
  fsetstat = 10,
  opendir = 11,
  readdir = 12,
  remove = 13,
  mkdir = 14,
  rmdir = 15,
  realpath = 16,
  stat = 17,
  rename = 18,
  readlink = 19,
  symlink = 20,
  status = 101,
  handle = 102,
  data = 103,
  name = 104,
  attrs = 105,
  extended = 200,
  extended_reply = 201,
};

// Section 7.
enum class SftpStatus : uint32_t {
  ok = 0,
  eof = 1,
  no_such_file = 2,
  permission_denied = 3,
  failure = 4,
  bad_message = 5,
  op_unsupported = 8,
};

// Section 5.
enum SftpAttributeFlags : uint32_t {
  kAttributeSize = 1,
  kAttributeOwner = 2,
  kAttributeMode = 4,
  kAttributeTimes = 8,
  kAttributeExtended = 0x80000000u,
};

// Section 6.3.
enum SftpOpenFlags : uint32_t {
  kSftpRead = 1,
  kSftpWrite = 2,
  kSftpAppend = 4,
  kSftpCreate = 8,
  kSftpTruncate = 16,
  kSftpExclusive = 32,
};

inline constexpr uint32_t kSftpVersion = 3;
// What one READ or WRITE carries, as limits@openssh.com tells it.
inline constexpr uint32_t kMaxSftpData = 256 * 1024;
// Data with everything in front of it. A longer packet is not skipped but ends the channel: its sender is no client.
inline constexpr uint32_t kMaxSftpPacket = kMaxSftpData + 1024;
// The paths and lists of one packet, kept until it is whole.
inline constexpr uint32_t kMaxSftpBody = 64 * 1024;
inline constexpr uint32_t kMaxSftpHandle = 256;
// Length, type, request, data's length.
inline constexpr size_t kSftpDataHeader = 13;
// Clients with small buffers (libssh2 takes 40,000 bytes) list directories too.
inline constexpr size_t kMaxSftpNames = 32 * 1024;

}  // namespace sluice
