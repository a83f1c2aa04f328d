// What a policy's lists allow.
#include "services/broker/link_policy.h"

#include <algorithm>
#include <charconv>
#include <sstream>

namespace sluice {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return lower(c); });
  return out;
}

bool same_port(uint32_t rule, uint32_t port) { return rule == 0 || rule == port; }

// False: not a file mode creation mask.
bool read_mask(const std::string& text, uint32_t& mask) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mask, 8);
  return error == std::errc() && end == text.data() + text.size() && mask <= 0777;
}

bool covers(const ForwardRule& wide, const ForwardRule& narrow) {
  return matches_glob(lower(narrow.host), lower(wide.host)) && same_port(wide.port, narrow.port);
}

}  // namespace

bool matches_glob(std::string_view text, std::string_view pattern) {
  size_t t = 0, p = 0, star = std::string_view::npos, covered = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      covered = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++covered;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

bool narrow_rules(std::vector<ForwardRule>& rules, const std::vector<ForwardRule>& others) {
  if (others.empty()) return true;
  if (rules.empty()) return rules = others, true;
  std::vector<ForwardRule> both;
  for (const ForwardRule& ours : rules) {
    for (const ForwardRule& theirs : others) {
      // "db, any port" and "any host, 5432" have db:5432 in common, which neither names.
      const std::string& host = matches_glob(lower(theirs.host), lower(ours.host)) ? theirs.host : ours.host;
      const uint32_t port = ours.port == 0 ? theirs.port : ours.port;
      if (covers(ours, {host, port}) && covers(theirs, {host, port})) both.push_back({host, port});
    }
  }
  rules = std::move(both);
  return !rules.empty();
}

void LinkPolicy::take_internal_sftp() {
  if (!forced_command) return;
  std::istringstream words(*forced_command);
  std::string word;
  if (!(words >> word) || word != "internal-sftp") return;
  forced_command.reset();
  programs = false;
  subsystems.clear();
  // sftp-server's, as getopt takes them. Whoever writes another one limits the session in a way that is not served here
  // (-P names requests to refuse): without the limit there is no session.
  while (words >> word) {
    if (word.size() < 2 || word[0] != '-') files = false;
    for (size_t at = 1; at < word.size(); ++at) {
      const char option = word[at];
      if (option == 'R') read_only = true;
      if (option == 'R' || option == 'e') continue;
      std::string value = word.substr(at + 1);
      if (value.empty()) words >> value;
      if (option == 'd') start_folder = value;
      const bool known = option == 'd' || option == 'f' || option == 'l' || (option == 'u' && read_mask(value, mask));
      files = files && known && !value.empty();
      break;
    }
  }
}

// A name to connect to is compared as it is: `*.example.com` in permitopen has never been a pattern, only `*` alone.
bool LinkPolicy::may_open(std::string_view host, uint32_t port) const {
  if (!connect_tcp) return false;
  const std::string name = lower(host);
  return permit_open.empty() || std::any_of(permit_open.begin(), permit_open.end(), [&](const ForwardRule& rule) {
           return (rule.host == "*" || lower(rule.host) == name) && same_port(rule.port, port);
         });
}

bool LinkPolicy::may_listen(std::string_view address, uint32_t port) const {
  if (!listen_tcp) return false;
  const std::string name = lower(address);
  return permit_listen.empty() || std::any_of(permit_listen.begin(), permit_listen.end(), [&](const ForwardRule& rule) {
           return matches_glob(name, lower(rule.host)) && same_port(rule.port, port);
         });
}

bool LinkPolicy::accepts(std::string_view variable) const {
  return std::any_of(accepted_names.begin(), accepted_names.end(),
                     [&](const std::string& pattern) { return matches_glob(variable, pattern); });
}

const std::string* LinkPolicy::subsystem(std::string_view name) const {
  for (const auto& [known, command] : subsystems)
    if (known == name) return &command;
  return nullptr;
}

}  // namespace sluice
