// Accounts, folders and rights.
#include "apps/sluiced/broker_wiring.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "control/auth/backends/pam_login.h"

namespace sluice {
namespace {

constexpr mode_t kDefaultMask = 022;
// What Linux gives a process.
constexpr int kMaxGroups = 65536;
constexpr size_t kGroupRoom = 16 * 1024;
constexpr size_t kMaxGroupRoom = 16 << 20;
// Beside all else that an order to the starter carries.
constexpr size_t kMostMessage = 16 * 1024;

std::vector<ForwardRule> rules_of(const std::vector<ForwardTarget>& targets) {
  std::vector<ForwardRule> rules;
  for (const ForwardTarget& target : targets) rules.push_back({target.host, target.port});
  return rules;
}

// What the configuration and the key's options both allow. False: nothing.
bool narrow_to(std::vector<ForwardRule>& rules, const std::vector<ForwardTarget>& config,
               const std::vector<ForwardTarget>& permit) {
  rules = rules_of(config);
  return narrow_rules(rules, rules_of(permit));
}

GatewayPorts gateway_of(ForwardingSettings::Reach reach) {
  switch (reach) {
    case ForwardingSettings::Reach::loopback: break;
    case ForwardingSettings::Reach::as_asked: return GatewayPorts::as_asked;
    case ForwardingSettings::Reach::everywhere: return GatewayPorts::everywhere;
  }
  return GatewayPorts::loopback_only;
}

// All of them or a failure: a user without some of his groups would miss a chroot that one of them brings.
ResultOrText<std::vector<uint32_t>> groups_of(const std::string& name, gid_t gid) {
  std::vector<gid_t> groups(64);
  for (;;) {
    int count = static_cast<int>(groups.size());
    if (::getgrouplist(name.c_str(), gid, groups.data(), &count) >= 0) {
      return std::vector<uint32_t>(groups.begin(), groups.begin() + count);
    }
    if (count <= static_cast<int>(groups.size()) || count > kMaxGroups) {
      return fail("the groups of " + name + " cannot be read");
    }
    groups.resize(static_cast<size_t>(count));
  }
}

ResultOrText<gid_t> group_number(const std::string& name) {
  std::vector<char> room(kGroupRoom);
  group entry{};
  group* found = nullptr;
  int error;
  while ((error = ::getgrnam_r(name.c_str(), &entry, room.data(), room.size(), &found)) == ERANGE &&
         room.size() < kMaxGroupRoom) {
    room.resize(room.size() * 4);
  }
  if (found) return found->gr_gid;
  return fail("group " + name + ", whose members get a folder as their root, " +
              (error == 0 ? "is not there" : std::string("cannot be read: ") + std::strerror(error)));
}

// Somebody as the configuration's lists name him: a local user by the name that he logged in with, and like others of
// the account that he runs as by its name.
struct Listed {
  const Permit& permit;
  const ServerConfig& config;
  const UserIdentity& account;

  bool is(const std::string& name) const { return name == permit.user || name == account.name; }
};

bool has_group(const UserSettings& user, const std::string& name) {
  return std::find(user.groups.begin(), user.groups.end(), name) != user.groups.end();
}

// %u and %h; %% is %.
std::string with_user(const std::string& pattern, const Listed& user) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%' || i + 1 == pattern.size()) {
      out.push_back(pattern[i]);
      continue;
    }
    const char what = pattern[++i];
    if (what == 'u') {
      out.append(user.permit.user);
    } else if (what == 'h') {
      out.append(user.account.home);
    } else {
      out.push_back(what);
    }
  }
  return out;
}

// Fails where it cannot be told: he would get another root than his group's, or none.
ResultOrText<bool> is_in(const Listed& user, const std::string& group_name) {
  const auto& locals = user.config.users;
  const auto local = user.permit.system_account ? locals.end() : locals.find(user.permit.user);
  if (local != locals.end() && has_group(local->second, group_name)) return true;
  const auto number = group_number(group_name);
  // The configuration's own group, which the system need not have.
  if (!number &&
      std::any_of(locals.begin(), locals.end(), [&](const auto& each) { return has_group(each.second, group_name); }))
    return false;
  if (!number) return fail(number.error());
  const auto& groups = user.account.groups;
  return std::find(groups.begin(), groups.end(), *number) != groups.end();
}

bool may_only_read(const Listed& user) {
  const SftpSettings& sftp = user.config.sftp;
  const auto& users = sftp.read_only_users;
  const auto& groups = sftp.read_only_groups;
  return sftp.read_only || std::any_of(users.begin(), users.end(), [&](const auto& name) { return user.is(name); }) ||
         std::any_of(groups.begin(), groups.end(), [&](const std::string& name) {
           const auto member = is_in(user, name);
           return !member || *member;
         });
}

ResultOrText<std::string> root_for(const Listed& user) {
  const SftpSettings& sftp = user.config.sftp;
  for (const std::string& name : {user.permit.user, user.account.name}) {
    const auto own = sftp.user_chroots.find(name);
    if (own != sftp.user_chroots.end()) return with_user(own->second, user);
  }
  for (const auto& [group_name, folder] : sftp.group_chroots) {
    const auto member = is_in(user, group_name);
    if (!member) return fail(member.error());
    if (*member) return with_user(folder, user);
  }
  return with_user(sftp.chroot, user);
}

// The last word on these, as with sshd.
void add_connection(std::vector<std::pair<std::string, std::string>>& environment, const LoginSource& source) {
  if (const char* zone = ::getenv("TZ")) environment.emplace(environment.begin(), "TZ", zone);
  const std::string from = source.address + " " + std::to_string(source.port) + " ";
  const std::string to = std::to_string(source.local_port);
  environment.emplace_back("SSH_CLIENT", from + to);
  environment.emplace_back("SSH_CONNECTION", from + source.local_address + " " + to);
}

}  // namespace

ResultOrText<UserIdentity> identity_for(const Permit& permit, const ServerConfig& config, const LoginSource& source,
                                        uint32_t connection) {
  UserIdentity user;
  user.name = permit.user;
  if (permit.system_account) {
    user.uid = permit.uid;
    user.gid = permit.gid;
    user.home = permit.home;
    user.shell = permit.shell;
  } else {
    const std::string& account = config.login.local_account;
    const passwd* entry = account.empty() ? nullptr : ::getpwnam(account.c_str());
    // An ordinary user's server has no other account to offer than his own.
    if (account.empty() && ::geteuid() != 0) entry = ::getpwuid(::geteuid());
    if (!entry) return fail("local user " + permit.user + " has no account to run as (login local-account USER)");
    user.name = entry->pw_name;
    user.uid = entry->pw_uid;
    user.gid = entry->pw_gid;
    user.home = entry->pw_dir;
    user.shell = entry->pw_shell;
  }
  auto groups = groups_of(user.name, user.gid);
  if (!groups) return fail(groups.error());
  user.groups = std::move(*groups);
  auto root = root_for({permit, config, user});
  if (!root) return fail(root.error());
  user.root = std::move(*root);
  // As sshd: inside another root the home folder is where it would be, or the root itself.
  user.umask = config.sftp.umask.empty() ? kDefaultMask
                                         : static_cast<uint32_t>(std::strtoul(config.sftp.umask.c_str(), nullptr, 8));
  if (config.login.pam && ::geteuid() == 0 && pam_available()) {
    user.session = connection;
    user.session_service = config.login.pam_service;
    user.remote_host = source.host.empty() ? source.address : source.host;
  }
  return user;
}

LinkPolicy link_policy_for(const UserIdentity& user, const Permit& permit, const ServerConfig& config,
                           const LoginSource& source) {
  LinkPolicy policy;
  policy.read_only = may_only_read({permit, config, user});
  policy.start_folder = config.sftp.start_folder;
  policy.max_handles = config.sftp.handles;
  policy.max_children = config.brokers.programs;
  policy.terminal = permit.pty;
  policy.forced_command = permit.command;
  for (const auto& [name, command] : config.subsystems) {
    if (command != "internal-sftp") policy.subsystems.emplace_back(name, command);
  }
  for (const auto& [name, value] : permit.environment) {
    const auto matches = [&name = name](const std::string& pattern) { return matches_glob(name, pattern); };
    if (std::any_of(config.login.key_environment.begin(), config.login.key_environment.end(), matches)) {
      policy.environment.emplace_back(name, value);
    }
  }
  add_connection(policy.environment, source);
  policy.message = config.banner_motd.value_or("").substr(0, kMostMessage);
  // PAM shows the file itself.
  policy.message_file = config.session.motd && !config.banner_motd && !config.login.pam;
  policy.last_login = config.session.last_login;
  policy.user_rc = config.session.user_rc && permit.user_rc;
  policy.accepted_names = config.session.environment;
  const ForwardingSettings& forwarding = config.forwarding;
  policy.connect_tcp = forwarding.local && permit.port_forwarding;
  policy.listen_tcp = forwarding.remote && permit.port_forwarding;
  policy.connect_unix = forwarding.unix_local && permit.port_forwarding;
  policy.listen_unix = forwarding.unix_remote && permit.port_forwarding;
  policy.agent = forwarding.agent && permit.agent_forwarding;
  policy.gateway = gateway_of(forwarding.reach);
  if (!narrow_to(policy.permit_open, forwarding.permit_open, permit.permit_open)) policy.connect_tcp = false;
  if (!narrow_to(policy.permit_listen, forwarding.permit_listen, permit.permit_listen)) policy.listen_tcp = false;
  policy.take_internal_sftp();
  return policy;
}

std::string management_shell(const ServerConfig& config) {
  if (!config.management.shell_program.empty()) return config.management.shell_program;
  std::array<char, 4096> path{};
  const ssize_t n = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
  const std::string own(path.data(), static_cast<size_t>(std::max<ssize_t>(n, 0)));
  const std::string folder = own.substr(0, own.rfind('/') + 1);
  // Installed beside sluiced, or where it is built.
  if (const std::string built = folder + "../sluicectl/sluicectl";
      ::access((folder + "sluicectl").c_str(), X_OK) != 0 && ::access(built.c_str(), X_OK) == 0)
    return built;
  return folder + "sluicectl";
}

}  // namespace sluice
