// What a server announces about its other host keys (OpenSSH's PROTOCOL, section 2.5), and whether it holds them.
//
// Plain keys only: a certificate speaks through its authority and is never learnt.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "control/keys/public_key.h"

namespace sluice {

// Each key that is new costs a verification and a line of the user's file. OpenSSH's servers hold three.
inline constexpr size_t kMaxAnnouncedKeys = 64;

struct HostKeyNews {
  std::vector<PublicKey> announced;  // what the host is known by from now on
  std::vector<PublicKey> fresh;      // not known of the host so far
  std::vector<PublicKey> gone;       // known, and announced no more
};

// Who is told. The news are proven.
class HostKeyUpdater {
 public:
  virtual ~HostKeyUpdater() = default;
  virtual void on_host_keys(const HostKeyNews& news) = 0;
  virtual void on_host_keys_refused(std::string_view why) = 0;
};

// The announcement's keys. Types that we would not log in with are left out; malformed or doubled ones make
// the whole announcement worthless, and so does one that lacks the key in use.
ResultOrText<std::vector<PublicKey>> parse_announcement(Bytes body, Bytes key_in_use);
HostKeyNews compare_host_keys(std::vector<PublicKey> announced, std::span<const PublicKey> known);

// The body of a request for proofs, and the check of its answer: one signature of each key, in order.
std::vector<uint8_t> proofs_wanted(std::span<const PublicKey> keys);
ResultOrText<void> check_proofs(Bytes answer, std::span<const PublicKey> keys, Bytes session_id);

}  // namespace sluice
