// What stands in front of a key in authorized_keys: where from, until when and for what it may be used.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/keys/name_patterns.h"
#include "control/keys/public_key.h"

namespace sluice {

inline constexpr uint32_t kAnyTunnel = 0x7fffffff;
inline constexpr uint16_t kAnyPort = 0;

struct ForwardTarget {
  std::string host;
  uint16_t port;

  bool operator==(const ForwardTarget&) const = default;
};

struct KeyOptions {
  bool pty = true;
  bool port_forwarding = true;
  bool agent_forwarding = true;
  bool x11_forwarding = true;
  bool user_rc = true;
  bool restricted = false;
  bool cert_authority = false;
  TouchPolicy touch;
  std::optional<std::string> command;
  std::optional<SourceList> from;
  std::optional<std::vector<std::string>> principals;
  std::optional<int64_t> expires_at;  // seconds since 1970
  std::optional<uint32_t> tunnel;
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<ForwardTarget> permit_open;    // empty: any
  std::vector<ForwardTarget> permit_listen;  // empty: any

  bool may_open(std::string_view host, uint16_t port) const;
  // host as the client sent it; its patterns are allowed here and not in may_open.
  bool may_listen(std::string_view host, uint16_t port) const;
};

// The whole comma-separated list. An option that is unknown, doubled or malformed fails it: an administrator who wrote
// a restriction must not get a key without it.
ResultOrText<KeyOptions> parse_key_options(std::string_view text);

// YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, in local time or with a Z behind it in UTC.
std::optional<int64_t> parse_expiry_time(std::string_view text);

// Where the options in front of a key end: the first blank outside quotes. npos when a quote is left open.
size_t end_of_options(std::string_view line);

}  // namespace sluice
