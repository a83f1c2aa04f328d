// The order of the checks is sshd's: state of the account, shell, deny and allow lists of users, then of groups.
#include "control/auth/backends/login_policy.h"

#include "control/keys/name_patterns.h"

namespace sluice {
namespace {

bool matches_host(const LoginSource& source, std::string_view pattern) {
  if (!source.host.empty() && matches_pattern(to_lower(source.host), to_lower(pattern))) return true;
  if (matches_pattern(source.address, pattern)) return true;
  const auto range = AddressRange::parse(pattern);
  const auto address = Address::parse(source.address);
  return range && address && range->contains(*address);
}

bool matches_user(std::string_view user, const LoginSource& source, std::string_view pattern) {
  const size_t at = pattern.rfind('@');
  if (at == std::string_view::npos) return matches_pattern(user, pattern);
  return matches_pattern(user, pattern.substr(0, at)) && matches_host(source, pattern.substr(at + 1));
}

bool any_user(const std::vector<std::string>& patterns, std::string_view user, const LoginSource& source) {
  for (const std::string& pattern : patterns)
    if (matches_user(user, source, pattern)) return true;
  return false;
}

bool any_group(const std::vector<std::string>& patterns, const std::vector<std::string>& groups) {
  for (const std::string& pattern : patterns)
    for (const std::string& group : groups)
      if (matches_pattern(group, pattern)) return true;
  return false;
}

}  // namespace

std::optional<std::string> refusal_of(const LoginPolicy& policy, const AccountFacts& facts, const LoginSource& source) {
  if (facts.locked) return "the account is locked";
  if (facts.expired) return "the account has expired";
  if (!facts.shell_runs) return "the shell " + facts.shell + " does not exist or cannot be run";
  if (any_user(policy.deny_users, facts.name, source)) return "denied by name";
  if (!policy.allow_users.empty() && !any_user(policy.allow_users, facts.name, source)) return "not allowed by name";
  if (any_group(policy.deny_groups, facts.groups)) return "denied by group";
  if (!policy.allow_groups.empty() && !any_group(policy.allow_groups, facts.groups)) return "not allowed by group";
  if (facts.uid == 0 && policy.root_login == RootLogin::no) return "root may not log in";
  return std::nullopt;
}

bool is_shut_out(const AccountFacts& facts) { return facts.nologin && facts.uid != 0; }

bool root_may_use(RootLogin root_login, AuthMethod method) {
  switch (root_login) {
    case RootLogin::yes: return true;
    case RootLogin::forced_commands_only:
    case RootLogin::prohibit_password: return method == AuthMethod::publickey;
    case RootLogin::no: break;
  }
  return false;
}

bool root_may_enter(RootLogin root_login, const Permit& permit) {
  return root_login != RootLogin::no && (root_login != RootLogin::forced_commands_only || permit.command.has_value());
}

}  // namespace sluice
