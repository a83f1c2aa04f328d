// What the monitor, the starter and brokers say to each other: one packet each, over SOCK_SEQPACKET pairs.
//
// The starter is privileged and takes orders from the monitor alone. It reads no policy: that goes on as it came, to
// the broker that it is for. What brokers tell the starter is hostile: a user may have taken his own over.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "services/broker/link_policy.h"
#include "services/broker/user_identity.h"

namespace sluice {

inline constexpr size_t kMaxStarterPacket = 64 * 1024;
inline constexpr size_t kMaxStartError = 512;

// Monitor to starter: a link to that user's broker.
struct LinkOrder {
  uint32_t number = 0;
  UserIdentity identity;
  std::string source;           // the client's address, for records of logins
  std::vector<uint8_t> policy;  // a LinkPolicy, encoded
  static auto fields(auto& s) { return std::tie(s.number, s.identity, s.source, s.policy); }
};
// Starter to monitor: with one descriptor where there is no error. Number 0: the starter is another one from now on,
// and what its predecessor was asked for will not come.
struct LinkMade {
  uint32_t number = 0;
  std::string error;
  static auto fields(auto& s) { return std::tie(s.number, s.error); }
};
// Broker to starter.
enum class BrokerNewsKind : uint8_t { ready, failed, idle, terminal_opened, terminal_closed, link_ended, count_ };
// terminal_opened comes with two descriptors: the terminal, and one that the program waits for to be closed before it
// begins.
struct BrokerNews {
  BrokerNewsKind kind = BrokerNewsKind::ready;
  // idle: how many links it ever got. One that is on its way makes it idle no more. Of terminals and ends: which of
  // them, counted from 1.
  uint64_t links = 0;
  std::string text;  // of failed
  uint32_t terminal = 0;
  uint32_t process = 0;
  static auto fields(auto& s) { return std::tie(s.kind, s.links, s.text, s.terminal, s.process); }
};
// Starter to broker: an encoded LinkPolicy, with one descriptor.

// Nothing: too large, or a text with a NUL.
std::optional<std::vector<uint8_t>> encode(const LinkOrder& order);
std::optional<std::vector<uint8_t>> encode(const LinkMade& made);
std::optional<std::vector<uint8_t>> encode(const BrokerNews& news);
std::optional<std::vector<uint8_t>> encode(const LinkPolicy& policy);
std::optional<LinkOrder> decode_order(Bytes packet);
std::optional<LinkMade> decode_made(Bytes packet);
std::optional<BrokerNews> decode_news(Bytes packet);
std::optional<LinkPolicy> decode_policy(Bytes packet);

}  // namespace sluice
