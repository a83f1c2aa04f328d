// authorized_keys: which keys let a user in, and under what conditions. A line with anything not understood lets nobody
// in and is reported.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "control/keys/key_options.h"
#include "control/keys/public_key.h"

namespace sluice {

// A user's file is read by a privileged process; these bound what he can make it hold.
inline constexpr size_t kMaxAuthorizedKeysFile = 4 << 20;
inline constexpr size_t kMaxAuthorizedKeysLine = 64 * 1024;
inline constexpr size_t kMaxAuthorizedKeys = 16 * 1024;

struct AuthorizedKey {
  size_t line;
  KeyOptions options;
  PublicKey key;
  std::string comment;
};

struct RefusedLine {
  size_t line;
  std::string reason;
};

// Nothing for a blank line or a comment.
ResultOrText<std::optional<AuthorizedKey>> parse_authorized_key(std::string_view line, const KeyLimits& limits = {});

struct Admission {
  const AuthorizedKey* key = nullptr;  // null: not admitted
  std::string reason;                  // why a key that is listed was not, for the log; empty when it is not listed
};

class AuthorizedKeys {
 public:
  static AuthorizedKeys parse(std::string_view text, const KeyLimits& limits = {});
  // Of a user: the file and the folders from it up to his home may be written by him and root alone.
  static ResultOrText<AuthorizedKeys> load(const std::string& path, const std::string& home, uid_t owner,
                                           const KeyLimits& limits = {});

  const std::vector<AuthorizedKey>& keys() const { return keys_; }
  const std::vector<RefusedLine>& refused() const { return refused_; }

  // The first line that lists the key as a plain one and whose from= and expiry-time= are met.
  Admission admit(const PublicKey& key, int64_t now, std::string_view host, std::string_view address) const;

 private:
  std::vector<AuthorizedKey> keys_;
  std::vector<RefusedLine> refused_;
};

}  // namespace sluice
