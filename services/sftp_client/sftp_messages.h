// What a client says in SFTP version 3 and what it may hear: calls as packets' bodies, answers taken apart.
//
// Every answer is a stranger's: lengths, counts and texts are bounded here, and what contradicts itself is a fault.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "base/wire.h"
#include "services/sftp/sftp_protocol.h"

namespace sluice {

struct SftpOwner {
  uint32_t uid = 0, gid = 0;
};
struct SftpTimes {
  uint32_t accessed = 0, modified = 0;
};

// Section 5. What is absent was not told, or is not to be changed.
struct SftpAttributes {
  std::optional<uint64_t> size = {};
  std::optional<SftpOwner> owner = {};
  std::optional<uint32_t> mode = {};  // with the file's type
  std::optional<SftpTimes> times = {};

  bool is(uint32_t type) const { return mode && (*mode & 0170000u) == type; }
  bool is_directory() const { return is(0040000); }
  bool is_regular() const { return is(0100000); }
  bool is_symlink() const { return is(0120000); }
};

struct SftpName {
  std::string name;
  std::string long_name;  // the server's words: not fit for a terminal
  SftpAttributes attributes;
};

// statvfs@openssh.com.
struct SftpFilesystem {
  uint64_t block_size = 0, fragment_size = 0, blocks = 0, free_blocks = 0, available_blocks = 0, files = 0,
           free_files = 0, available_files = 0, id = 0, flags = 0, longest_name = 0;
};

// check-file's answer: an algorithm's name, and its hashes one behind the other.
struct SftpHashes {
  std::string algorithm;
  std::vector<uint8_t> hashes;
};

// users-groups-by-id@openssh.com: empty where there is no name.
struct SftpIdNames {
  std::vector<std::string> users, groups;
};

// Why something did not come about.
struct SftpFault {
  enum class Kind : uint8_t {
    refused,    // the server said so: `status`
    lost,       // the connection is gone
    protocol,   // the server's answer makes no sense
    local,      // our own file: `error`
    changed,    // the file that is read is not what it was
    cancelled,  // by us
  };
  Kind kind = Kind::refused;
  std::string text;  // one line, fit for a terminal
  SftpStatus status = SftpStatus::failure;
  int error = 0;
};

template <class T>
using SftpResult = tl::expected<T, SftpFault>;

struct SftpCall {
  SftpType type;
  std::vector<uint8_t> body;
};
struct SftpAnswer {
  SftpType type{};
  std::vector<uint8_t> body;
};

// What the server told of itself.
struct SftpServerFacts {
  std::map<std::string, std::string, std::less<>> extensions;
  uint64_t most_handles = 0;       // 0: not told
  uint32_t most_read = 32 * 1024;  // of one READ; more only where limits@openssh.com says so
  uint32_t most_write = 32 * 1024;
  // Of the server's software, by what it calls itself.
  void learn_software(std::string_view software);
  // It reads SYMLINK as section 6.10 has it, the link's name first.
  bool link_first = false;
  // What is asked of one file is done in the order of asking.
  bool ordered = false;
  // Opening anything waits for nobody, a FIFO's other end neither.
  bool opens_at_once = false;
  bool has(std::string_view extension) const { return extensions.find(extension) != extensions.end(); }
};

namespace sftp_call {
SftpCall open(std::string_view path, uint32_t flags, const SftpAttributes& wanted = {});
SftpCall close(Bytes handle);
SftpCall stat(std::string_view path);
SftpCall lstat(std::string_view path);
SftpCall fstat(Bytes handle);
SftpCall setstat(std::string_view path, const SftpAttributes& wanted);
SftpCall fsetstat(Bytes handle, const SftpAttributes& wanted);
SftpCall opendir(std::string_view path);
SftpCall readdir(Bytes handle);
SftpCall remove(std::string_view path);
SftpCall mkdir(std::string_view path, const SftpAttributes& wanted = {});
SftpCall rmdir(std::string_view path);
SftpCall realpath(std::string_view path);
SftpCall rename(std::string_view from, std::string_view to);
SftpCall readlink(std::string_view path);
// As OpenSSH's server reads it: where the link points first, against section 6.10.
SftpCall symlink(std::string_view target, std::string_view link);
// A READ or WRITE of small files and of tests; transfers make their own.
SftpCall read(Bytes handle, uint64_t offset, uint32_t length);
SftpCall write(Bytes handle, uint64_t offset, Bytes data);
// Extensions, OpenSSH's PROTOCOL section 4 and draft-ietf-secsh-filexfer-extensions-00.
SftpCall posix_rename(std::string_view from, std::string_view to);
SftpCall statvfs(std::string_view path);
SftpCall fstatvfs(Bytes handle);
SftpCall hardlink(std::string_view from, std::string_view to);
SftpCall fsync(Bytes handle);
SftpCall lsetstat(std::string_view path, const SftpAttributes& wanted);
SftpCall limits();
SftpCall expand_path(std::string_view path);
SftpCall home_directory(std::string_view user);
SftpCall names_of_ids(const std::vector<uint32_t>& users, const std::vector<uint32_t>& groups);
// length 0: to the end.
SftpCall copy_data(Bytes from, uint64_t from_offset, uint64_t length, Bytes to, uint64_t to_offset);
// block 0: one hash of all.
SftpCall check_handle(Bytes handle, std::string_view algorithms, uint64_t offset, uint64_t length, uint32_t block);
SftpCall check_name(std::string_view path, std::string_view algorithms, uint64_t offset, uint64_t length,
                    uint32_t block);
}  // namespace sftp_call

// What an answer says to a call that wants such a thing; a STATUS is a fault, but for ok where nothing else is wanted.
namespace sftp_answer {
SftpResult<void> done(const SftpAnswer& answer);
SftpResult<std::vector<uint8_t>> handle(const SftpAnswer& answer);
SftpResult<SftpAttributes> attributes(const SftpAnswer& answer);
// Nothing: the directory's end.
SftpResult<std::optional<std::vector<SftpName>>> names(const SftpAnswer& answer);
// Of realpath, readlink, expand-path, home-directory: just one.
SftpResult<std::string> path(const SftpAnswer& answer);
SftpResult<std::vector<uint8_t>> data(const SftpAnswer& answer);
SftpResult<SftpFilesystem> filesystem(const SftpAnswer& answer);
SftpResult<SftpHashes> hashes(const SftpAnswer& answer);
SftpResult<SftpIdNames> names_of_ids(const SftpAnswer& answer);
// Most of a packet, a READ, a WRITE, handles: as limits@openssh.com orders them.
SftpResult<void> limits(const SftpAnswer& answer, SftpServerFacts& facts);
}  // namespace sftp_answer

// VERSION's body behind the version itself.
SftpResult<SftpServerFacts> read_version(uint32_t version, Bytes body);

// A stranger's text for a terminal: control characters and broken UTF-8 escaped, cut where it is long.
std::string fit_for_terminal(std::string_view text, size_t most = 1024);
tl::unexpected<SftpFault> sftp_fault(SftpFault::Kind kind, std::string text);
// With errno's words.
tl::unexpected<SftpFault> local_fault(std::string_view what, int error);

}  // namespace sluice
