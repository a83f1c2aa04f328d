// Global requests, RFC 4254 section 4: reading and writing them, and who waits for the answers to our own.
//
// Answers bear no number: they come in the order of the requests that wanted one.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace sluice {

// What was asked. The views are into the payload.
struct GlobalRequest {
  std::string_view name;
  Bytes data;
  bool wants_reply = false;
};

Result<GlobalRequest> parse_global_request(Bytes payload);
std::vector<uint8_t> global_request(std::string_view name, bool wants_reply, Bytes data);

inline constexpr std::string_view kKeepalive = "keepalive@openssh.com";

// A peer that never answers makes us hold no more.
inline constexpr size_t kMaxAwaitedReplies = 256;

class AwaitedReplies {
 public:
  // Nothing: refused.
  using Then = std::function<void(std::optional<Bytes>)>;
  // False: too many wait.
  bool await(Then then);
  // REQUEST_SUCCESS or REQUEST_FAILURE. One that nobody waits for is dropped.
  void take(Bytes payload);

 private:
  std::deque<Then> waiting_;
};

}  // namespace sluice
