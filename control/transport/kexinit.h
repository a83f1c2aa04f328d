// SSH_MSG_KEXINIT, RFC 4253 section 7.1: ten name-lists, read from a stranger and written.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace sluice {

using NameList = std::vector<std::string>;

// Bounds what a stranger's KEXINIT makes us compare: OpenSSH sends about forty names in all.
inline constexpr size_t kMaxNames = 256;
inline constexpr size_t kMaxNameLength = 64;

enum class KexList : uint8_t {
  kex,
  host_key,
  cipher_client_to_server,
  cipher_server_to_client,
  mac_client_to_server,
  mac_server_to_client,
  compression_client_to_server,
  compression_server_to_client,
  language_client_to_server,
  language_server_to_client,
  count_,
};

struct KexInit {
  std::array<NameList, static_cast<size_t>(KexList::count_)> lists;
  bool first_packet_follows = false;

  NameList& operator[](KexList list) { return lists[static_cast<size_t>(list)]; }
  const NameList& operator[](KexList list) const { return lists[static_cast<size_t>(list)]; }
};

// Why two KEXINITs agree on nothing.
struct Disagreement {
  std::string text;  // for the log and the disconnect message, with all that follows
  std::string list = {};
  NameList client = {};
  NameList server = {};
};

// A name longer than RFC 4251 section 6 allows, or not of printable US-ASCII, makes the message malformed.
Result<KexInit> parse_kexinit(Bytes payload);
std::vector<uint8_t> write_kexinit(const KexInit& init, Bytes cookie);

std::string join_names(const NameList& names);
Result<NameList> parse_names(std::string_view text);

}  // namespace sluice
