// Settings become rules; nothing is decided here.
#include "control/config/login_setup.h"

#include <algorithm>

namespace sluice {
namespace {

RootLogin root_login(RootAccess access) {
  switch (access) {
    case RootAccess::yes: return RootLogin::yes;
    case RootAccess::no: return RootLogin::no;
    case RootAccess::prohibit_password: return RootLogin::prohibit_password;
    case RootAccess::forced_commands_only: return RootLogin::forced_commands_only;
  }
  return RootLogin::no;
}

AuthMethod method_of(std::string_view name) {
  if (name == "publickey") return AuthMethod::publickey;
  return name == "password" ? AuthMethod::password : AuthMethod::keyboard_interactive;
}

}  // namespace

SystemUsersConfig system_users_config(const ServerConfig& config) {
  SystemUsersConfig users;
  users.policy.root_login = root_login(config.login.root);
  users.policy.allow_users = config.login.allow_users;
  users.policy.deny_users = config.login.deny_users;
  users.policy.allow_groups = config.login.allow_groups;
  users.policy.deny_groups = config.login.deny_groups;
  users.policy.strict_modes = config.login.strict_modes;
  users.policy.authorized_keys = config.login.authorized_keys;
  users.pam.on = config.login.pam;
  users.pam.service = config.login.pam_service;
  users.key_limits.min_rsa_bits = config.algorithms.min_rsa_bits;
  return users;
}

LoginRules login_rules(const ServerConfig& config) {
  LoginRules rules;
  // IOS counts from zero; a login needs one attempt.
  rules.max_tries = std::max(config.limits.max_auth_tries, 1u);
  rules.password_tries = config.limits.password_tries;
  if (config.login.ways.empty()) return rules;
  rules.ways.clear();
  for (const std::string& way : config.login.ways) {
    rules.ways.emplace_back();
    for_each_part(way, [&](std::string_view name) { rules.ways.back().push_back(method_of(name)); });
  }
  return rules;
}

}  // namespace sluice
