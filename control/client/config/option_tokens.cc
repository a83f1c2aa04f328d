// One pass over the text.
#include "control/client/config/option_tokens.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>

#include "base/text.h"
#include "control/kex/hash.h"

namespace sluice {
namespace {

// Names the connection: what control sockets are called by. SHA-1 is no secret here, and stock ssh names them alike.
std::string connection_hash(const TokenFacts& facts) {
  uint8_t digest[20];
  hash_into(HashId::sha1,
            {bytes_of(facts.local_host), bytes_of(facts.host), bytes_of(facts.port), bytes_of(facts.remote_user),
             bytes_of(facts.jump)},
            digest);
  std::string hex;
  for (const uint8_t byte : digest) {
    hex.push_back("0123456789abcdef"[byte >> 4]);
    hex.push_back("0123456789abcdef"[byte & 15]);
  }
  return hex;
}

std::string value_of(char letter, const TokenFacts& facts) {
  switch (letter) {
    case 'C': return connection_hash(facts);
    case 'd': return facts.home;
    case 'h': return facts.host;
    case 'i': return facts.user_id;
    case 'j': return facts.jump;
    case 'k': return facts.host_key_alias;
    case 'L': return facts.local_host.substr(0, facts.local_host.find('.'));
    case 'l': return facts.local_host;
    case 'n': return facts.original_host;
    case 'p': return facts.port;
    case 'r': return facts.remote_user;
    default: return facts.local_user;
  }
}

}  // namespace

TokenFacts TokenFacts::of_this_machine() {
  TokenFacts facts;
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  facts.local_host = name;
  facts.user_id = std::to_string(::getuid());
  if (const passwd* entry = ::getpwuid(::getuid())) {
    facts.local_user = entry->pw_name;
    facts.home = entry->pw_dir;
  } else if (const char* user = std::getenv("USER")) {
    facts.local_user = user;
  }
  if (facts.home.empty()) {
    const char* home = std::getenv("HOME");
    facts.home = home ? home : "/";
  }
  return facts;
}

ResultOrText<std::string> expand_tokens(std::string_view text, std::string_view allowed, const TokenFacts& facts) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (++i == text.size()) return fail(joined({"'", text, "' ends with a single %"}));
    if (text[i] == '%') {
      out.push_back('%');
    } else if (allowed.find(text[i]) != std::string_view::npos) {
      out.append(value_of(text[i], facts));
    } else {
      return fail(joined({"%", text.substr(i, 1), " in '", text, "' stands for nothing here"}));
    }
  }
  return out;
}

ResultOrText<std::string> expand_environment(std::string_view text) {
  std::string out;
  for (;;) {
    const size_t begin = text.find("${");
    out.append(text.substr(0, begin));
    if (begin == std::string_view::npos) return out;
    const size_t end = text.find('}', begin);
    if (end == std::string_view::npos) return fail(joined({"'", text, "': no } behind ${"}));
    const std::string name(text.substr(begin + 2, end - begin - 2));
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return fail(joined({"the environment variable ", name, " is not set"}));
    out.append(value);
    text.remove_prefix(end + 1);
  }
}

std::string expand_home(std::string_view path, const std::string& home) {
  if (!path.starts_with('~')) return std::string(path);
  const size_t slash = std::min(path.find('/'), path.size());
  const std::string name(path.substr(1, slash - 1));
  const std::string rest(path.substr(slash));
  if (name.empty()) return home + rest;
  const passwd* entry = ::getpwnam(name.c_str());
  return entry ? entry->pw_dir + rest : std::string(path);
}

ResultOrText<std::string> expand_path(std::string_view text, const TokenFacts& facts) {
  auto path = expand_tokens(expand_home(text, facts.home), kAllTokens, facts);
  return path ? expand_environment(*path) : path;
}

}  // namespace sluice
