// Percent tokens, environment variables and ~ in values of options.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice {

// What tokens stand for; a name that is empty may still be one that is known.
struct TokenFacts {
  std::string original_host;   // %n, as the user named it
  std::string host;            // %h
  std::string port = "22";     // %p
  std::string remote_user;     // %r
  std::string local_user;      // %u
  std::string local_host;      // %l, and %L without the domain
  std::string home;            // %d
  std::string host_key_alias;  // %k
  std::string jump;            // %j
  std::string user_id;         // %i

  static TokenFacts of_this_machine();
};

// `allowed`: the tokens' letters; '%%' always. Another is an error that names it.
ResultOrText<std::string> expand_tokens(std::string_view text, std::string_view allowed, const TokenFacts& facts);
// ${NAME}; a variable that is not set is an error.
ResultOrText<std::string> expand_environment(std::string_view text);
// "~" and "~/..." and "~user/...".
std::string expand_home(std::string_view path, const std::string& home);
// All three: what files' names are.
ResultOrText<std::string> expand_path(std::string_view text, const TokenFacts& facts);

inline constexpr std::string_view kAllTokens = "CdhijkLlnpru";
inline constexpr std::string_view kProxyTokens = "hnpr";

}  // namespace sluice
