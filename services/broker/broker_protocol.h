// What a link carries: requests to a broker, its answers and events; packets of a SOCK_SEQPACKET pair.
//
// A packet is u8 type, u32 request, body, with descriptors attached as the type says. Fields are written as in RFC 4251
// section 5 in the order of `fields`. A packet that is not exactly that ends its link.
#pragma once

#include <variant>

#include "base/bytes.h"
#include "base/result.h"
#include "services/broker/channel_requests.h"
#include "services/broker/file_requests.h"

namespace sluice {

// What one system call carries; a batch of a directory's entries is cut to fit.
inline constexpr size_t kMaxBrokerPacket = 64 * 1024;
inline constexpr size_t kBrokerHeader = 1 + 4;
inline constexpr size_t kMaxBrokerBody = kMaxBrokerPacket - kBrokerHeader;
inline constexpr size_t kMaxBrokerDescriptors = 3;
// Elements of a list in a packet: each costs the reader an allocation.
inline constexpr size_t kMaxBrokerList = 8192;
// Requests of a link that were not answered yet: each may hold a descriptor or a thread's time.
inline constexpr size_t kMaxOpenRequestsOfLink = 64;

// A request's number on the wire is its place here.
using BrokerRequest =
    std::variant<OpenFile, CloseHandle, StatPath, StatHandle, ChangePath, ChangeHandle, OpenDirectory, ReadDirectory,
                 ResolvePath, ExpandPath, FindHome, RemoveFile, MakeDirectory, RemoveDirectory, RenameFile, ReplaceFile,
                 ReadSymlink, MakeSymlink, MakeHardlink, StatFilesystem, StatFilesystemOf, SyncFile, CopyData,
                 CheckFile, NameIds, SpawnProgram, SignalChild, ResizeTerminal, ConnectTcp, ListenTcp, ConnectUnix,
                 ListenUnix, MakeAgentSocket>;

struct Done {
  static auto fields(auto&) { return std::tie(); }
};
struct FileOpened {
  uint32_t handle = 0;
  FileAttributes attributes;
  static auto fields(auto& s) { return std::tie(s.handle, s.attributes); }
};
struct Attributes {
  FileAttributes attributes;
  static auto fields(auto& s) { return std::tie(s.attributes); }
};
struct DirectoryOpened {
  uint32_t handle = 0;
  static auto fields(auto& s) { return std::tie(s.handle); }
};
struct Entries {
  bool last = false;
  std::vector<DirectoryEntry> entries;
  static auto fields(auto& s) { return std::tie(s.last, s.entries); }
};
struct PathFound {
  std::string path;
  static auto fields(auto& s) { return std::tie(s.path); }
};
struct Filesystem {
  FilesystemFacts facts;
  static auto fields(auto& s) { return std::tie(s.facts); }
};
// The hashes back to back, one for each block.
struct Hashes {
  std::string algorithm;
  std::vector<uint8_t> hashes;
  static auto fields(auto& s) { return std::tie(s.algorithm, s.hashes); }
};
struct Names {
  std::vector<std::string> users, groups;
  static auto fields(auto& s) { return std::tie(s.users, s.groups); }
};
struct Spawned {
  uint32_t child = 0;
  bool terminal = false;
  static auto fields(auto& s) { return std::tie(s.child, s.terminal); }
};
struct Connected {
  static auto fields(auto&) { return std::tie(); }
};
struct Listening {
  uint32_t handle = 0;
  uint32_t port = 0;  // of TCP
  std::string path;   // of the others
  static auto fields(auto& s) { return std::tie(s.handle, s.port, s.path); }
};
// An event: its request is 0. RFC 4254 section 6.10: either a status or a signal.
struct ChildExited {
  uint32_t child = 0;
  uint32_t status = 0;
  std::string signal;  // without SIG
  bool core_dumped = false;
  static auto fields(auto& s) { return std::tie(s.child, s.status, s.signal, s.core_dumped); }
};

// Likewise an answer's.
using BrokerAnswer = std::variant<Failure, Done, FileOpened, Attributes, DirectoryOpened, Entries, PathFound,
                                  Filesystem, Hashes, Names, Spawned, Connected, Listening, ChildExited>;

// The body's type and number; the rest is in `body`.
template <class Message>
struct Numbered {
  uint32_t request = 0;
  Message body;
};

// Nothing where it does not fit a packet or a text has a NUL in it.
std::optional<std::vector<uint8_t>> write_request(uint32_t request, const BrokerRequest& body);
std::optional<std::vector<uint8_t>> write_answer(uint32_t request, const BrokerAnswer& body);
Result<Numbered<BrokerRequest>> read_request(Bytes packet);
Result<Numbered<BrokerAnswer>> read_answer(Bytes packet);

// How many descriptors must come with an answer: the least and the most.
std::pair<size_t, size_t> descriptors_of(const BrokerAnswer& answer);

}  // namespace sluice
