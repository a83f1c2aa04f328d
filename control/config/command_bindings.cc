// What these commands do with a configuration, and the lines that do it again.
#include "control/config/command_bindings.h"

#include <algorithm>
#include <climits>

#include "control/config/cisco_secret.h"
#include "control/config/setting_binding.h"
#include "control/keys/authorized_keys.h"
#include "control/keys/public_key_text.h"

namespace sluice::binding {
namespace {

using Lines = std::vector<CommandLine>;

const std::string kNone;

std::vector<std::string> present(const std::string& text) {
  return text.empty() ? std::vector<std::string>() : std::vector<std::string>{text};
}

Refusal set_version(ServerConfig& config, const CommandLine& line) {
  const std::string& word = first_of(line, 0);
  config.ssh_version = word.empty() ? 0 : static_cast<unsigned>(number_of(word));
  return {};
}

Lines version_lines(const ServerConfig& config) {
  return config.ssh_version == 0 ? Lines() : one_line({std::to_string(config.ssh_version)});
}

void forget_version(ServerConfig& config, const CommandLine&, const ServerConfig& defaults) {
  config.ssh_version = defaults.ssh_version;
}

// Listen addresses.

Refusal add_listen(ServerConfig& config, const CommandLine& line) {
  const std::string& port = first_of(line, 1);
  const BindAddress address{first_of(line, 0), port.empty() ? 0 : static_cast<unsigned>(number_of(port))};
  auto& list = config.listen.addresses;
  if (std::find(list.begin(), list.end(), address) == list.end()) list.push_back(address);
  return {};
}

void remove_listen(ServerConfig& config, const CommandLine& line, const ServerConfig&) {
  const std::string& port = first_of(line, 1);
  std::erase_if(config.listen.addresses, [&](const BindAddress& one) {
    return one.address == first_of(line, 0) && (port.empty() || one.port == number_of(port));
  });
}

Lines listen_lines(const ServerConfig& config) {
  Lines lines;
  for (const BindAddress& one : config.listen.addresses)
    lines.push_back({false, {{one.address}, present(one.port == 0 ? kNone : std::to_string(one.port))}, {}});
  return lines;
}

// VRFs and access lists.

Refusal set_vrf(ServerConfig& config, const CommandLine& line) {
  config.vrfs[first_of(line, 0)] = {first_of(line, 1), first_of(line, 2)};
  return {};
}

void remove_vrf(ServerConfig& config, const CommandLine& line, const ServerConfig&) {
  config.vrfs.erase(first_of(line, 0));
}

Lines vrf_lines(const ServerConfig& config) {
  Lines lines;
  for (const auto& [name, vrf] : config.vrfs)
    lines.push_back({false, {{name}, present(vrf.ipv4_access_list), present(vrf.ipv6_access_list)}, {}});
  return lines;
}

auto& access_lists(ServerConfig& config, const std::string& family) {
  return family == "ipv4" ? config.ipv4_access_lists : config.ipv6_access_lists;
}

Refusal add_access_list(ServerConfig& config, const CommandLine& line) {
  access_lists(config, first_of(line, 0))[first_of(line, 1)];
  return {};
}

void remove_access_list(ServerConfig& config, const CommandLine& line, const ServerConfig&) {
  access_lists(config, first_of(line, 0)).erase(first_of(line, 1));
}

Lines access_list_lines(const ServerConfig& config) {
  Lines lines;
  for (const auto& [name, list] : config.ipv4_access_lists) lines.push_back({false, {{"ipv4"}, {name}}, {}});
  for (const auto& [name, list] : config.ipv6_access_lists) lines.push_back({false, {{"ipv6"}, {name}}, {}});
  return lines;
}

// Values: sequence, permit or deny, protocol, host, source, destination any.
Refusal add_rule(ServerConfig& config, const CommandLine& line) {
  const std::string& source = first_of(line, 4);
  const bool v4 = line.context[0] == "ipv4";
  if (source != "any") {
    const auto range = AddressRange::parse(source);
    const auto address = Address::parse(source);
    if ((range ? range->network.v4 : address && address->v4) != v4)
      return "not an " + line.context[0] + " source: " + source;
    if (source.find('/') != std::string::npos && !first_of(line, 3).empty()) return "a host has no prefix: " + source;
  }
  AccessList& list = access_lists(config, line.context[0])[line.context[1]];
  // The routers' step between rules that were given without a number.
  constexpr unsigned kStep = 10;
  const std::string& given = first_of(line, 0);
  unsigned sequence = list.empty() ? kStep : list.rbegin()->first / kStep * kStep + kStep;
  if (!given.empty()) sequence = static_cast<unsigned>(number_of(given));
  if (sequence > INT_MAX) return "no sequence number is left behind the last";
  list[sequence] = {first_of(line, 1) == "permit", source};
  return {};
}

void remove_rule(ServerConfig& config, const CommandLine& line, const ServerConfig&) {
  auto& lists = access_lists(config, line.context[0]);
  const auto found = lists.find(line.context[1]);
  if (found != lists.end()) found->second.erase(static_cast<unsigned>(number_of(first_of(line, 0))));
}

Lines rule_lines(const ServerConfig& config) {
  Lines lines;
  for (const char* family : {"ipv4", "ipv6"}) {
    const auto& lists = family == std::string_view("ipv4") ? config.ipv4_access_lists : config.ipv6_access_lists;
    for (const auto& [name, list] : lists) {
      for (const auto& [sequence, rule] : list) {
        lines.push_back({false,
                         {{std::to_string(sequence)}, {rule.permit ? "permit" : "deny"}, {}, {}, {rule.source}, {}},
                         {family, name}});
      }
    }
  }
  return lines;
}

// Targets of forwarding.

template <auto Member>
ForwardTarget target_of(const CommandLine& line) {
  const std::string& port = first_of(line, 1);
  return {first_of(line, 0), port == "any" ? kAnyPort : static_cast<uint16_t>(number_of(port))};
}

template <auto Member>
Refusal add_target(ServerConfig& config, const CommandLine& line) {
  auto& targets = config.forwarding.*Member;
  const ForwardTarget target = target_of<Member>(line);
  if (std::find(targets.begin(), targets.end(), target) == targets.end()) targets.push_back(target);
  return {};
}

template <auto Member>
void remove_target(ServerConfig& config, const CommandLine& line, const ServerConfig&) {
  std::erase(config.forwarding.*Member, target_of<Member>(line));
}

template <auto Member>
Lines target_lines(const ServerConfig& config) {
  Lines lines;
  for (const ForwardTarget& target : config.forwarding.*Member)
    lines.push_back({false, {{target.host}, {target.port == kAnyPort ? "any" : std::to_string(target.port)}}, {}});
  return lines;
}

// Users. Values: secret or password, type, text, from `at` on.
Refusal set_secret(UserSettings& user, const CommandLine& line, size_t at) {
  const std::string& type = first_of(line, at + 1);
  const std::string& text = first_of(line, at + 2);
  if (Refusal doubt = doubt_secret(type, text); !doubt.empty()) return doubt;
  user.secret_word = first_of(line, at) == "secret";
  user.secret_type = type;
  user.secret = text;
  return {};
}

ResultOrText<UserSettings*> user_named(ServerConfig& config, const std::string& name) {
  if (config.users.size() >= kMaxLocalUsers && !config.users.contains(name)) return fail(std::string("too many users"));
  return &config.users[name];
}

Refusal set_user(ServerConfig& config, const CommandLine& line) {
  const auto user = user_named(config, first_of(line, 0));
  if (!user) return user.error();
  if (!first_of(line, 1).empty()) (*user)->privilege = static_cast<unsigned>(number_of(first_of(line, 1)));
  return first_of(line, 4).empty() ? Refusal() : set_secret(**user, line, 2);
}

void remove_user(ServerConfig& config, const CommandLine& line, const ServerConfig&) {
  config.users.erase(first_of(line, 0));
}

Lines user_lines(const ServerConfig& config) {
  Lines lines;
  for (const auto& [name, user] : config.users) {
    CommandLine line{false, {{name}, {}, {}, {}, {}}, {}};
    if (user.privilege) line.values[1] = {std::to_string(*user.privilege)};
    if (!user.secret.empty()) {
      line.values[2] = {user.secret_word ? "secret" : "password"};
      line.values[3] = present(user.secret_type);
      line.values[4] = {user.secret};
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

Refusal set_secret_below(ServerConfig& config, const CommandLine& line) {
  const auto user = user_named(config, line.context[0]);
  return user ? set_secret(**user, line, 0) : user.error();
}

void remove_secret_below(ServerConfig& config, const CommandLine& line, const ServerConfig&) {
  UserSettings& user = config.users[line.context[0]];
  user.secret_word = false;
  user.secret_type.clear();
  user.secret.clear();
}

// The line above it holds the secret.
Lines no_lines(const ServerConfig&) { return {}; }

Refusal add_group(ServerConfig& config, const CommandLine& line) {
  const auto user = user_named(config, line.context[0]);
  if (!user) return user.error();
  auto& groups = (*user)->groups;
  if (std::find(groups.begin(), groups.end(), first_of(line, 0)) == groups.end()) groups.push_back(first_of(line, 0));
  return {};
}

void remove_group(ServerConfig& config, const CommandLine& line, const ServerConfig&) {
  std::erase(config.users[line.context[0]].groups, first_of(line, 0));
}

Lines group_lines(const ServerConfig& config) {
  Lines lines;
  for (const auto& [name, user] : config.users)
    for (const std::string& group : user.groups) lines.push_back({false, {{group}}, {name}});
  return lines;
}

// Keys of users.

Refusal accept(ServerConfig&, const CommandLine&) { return {}; }

void forget_user_keys(UserSettings& user) {
  user.keys.clear();
  user.key_hashes.clear();
}

void remove_all_keys(ServerConfig& config, const CommandLine&, const ServerConfig&) {
  for (auto& [name, user] : config.users) forget_user_keys(user);
  config.client.servers.clear();
}

Lines chain_line(const ServerConfig&) { return {CommandLine{}}; }

Refusal add_key_user(ServerConfig& config, const CommandLine& line) {
  const auto user = user_named(config, first_of(line, 0));
  return user ? Refusal() : user.error();
}

void remove_user_keys(ServerConfig& config, const CommandLine& line, const ServerConfig&) {
  const auto found = config.users.find(first_of(line, 0));
  if (found != config.users.end()) forget_user_keys(found->second);
}

Lines key_user_lines(const ServerConfig& config) {
  Lines lines;
  for (const auto& [name, user] : config.users)
    if (!user.keys.empty() || !user.key_hashes.empty()) lines.push_back({false, {{name}}, {}});
  return lines;
}

Refusal too_many_keys(const UserSettings& user) {
  return user.keys.size() + user.key_hashes.size() < kMaxKeysPerUser ? Refusal() : "too many keys for one user";
}

Refusal add_key(ServerConfig& config, const CommandLine& line) {
  const auto user = user_named(config, line.context[0]);
  if (!user) return user.error();
  if (Refusal refusal = too_many_keys(**user); !refusal.empty()) return refusal;
  auto text = public_key_line(first_of(line, 0));
  if (!text) return text.error();
  auto& keys = (*user)->keys;
  if (std::find(keys.begin(), keys.end(), *text) == keys.end()) keys.push_back(std::move(*text));
  return {};
}

void remove_keys(ServerConfig& config, const CommandLine& line, const ServerConfig&) {
  config.users[line.context[0]].keys.clear();
}

Lines key_lines(const ServerConfig& config) {
  Lines lines;
  for (const auto& [name, user] : config.users)
    for (const std::string& key : user.keys) lines.push_back({false, {{key}}, {name}});
  return lines;
}

Refusal add_key_hash(ServerConfig& config, const CommandLine& line) {
  const auto user = user_named(config, line.context[0]);
  if (!user) return user.error();
  if (Refusal refusal = too_many_keys(**user); !refusal.empty()) return refusal;
  auto& hashes = (*user)->key_hashes;
  if (std::find(hashes.begin(), hashes.end(), first_of(line, 1)) == hashes.end()) hashes.push_back(first_of(line, 1));
  return {};
}

void remove_key_hash(ServerConfig& config, const CommandLine& line, const ServerConfig&) {
  std::erase(config.users[line.context[0]].key_hashes, first_of(line, 1));
}

Lines key_hash_lines(const ServerConfig& config) {
  Lines lines;
  for (const auto& [name, user] : config.users)
    for (const std::string& hash : user.key_hashes) lines.push_back({false, {{"ssh-rsa"}, {hash}}, {name}});
  return lines;
}

// Pasted keys come in lines of a terminal's width, or broken behind the type.
std::string without_breaks(const std::string& block) {
  std::string text;
  for (const char c : block) {
    if (c != '\n')
      text += c;
    else if (find_key_type(text) != nullptr)
      text += ' ';
  }
  return text;
}

template <auto Member>
constexpr SettingBinding kTargets{add_target<Member>, remove_target<Member>, remove_target<Member>,
                                  target_lines<Member>};

}  // namespace

const std::string& first_of(const CommandLine& line, size_t value) {
  return value < line.values.size() && !line.values[value].empty() ? line.values[value].front() : kNone;
}

Refusal doubt_secret(const std::string& type, const std::string& text) {
  const bool hashed = type == "5" || type == "10";
  if (hashed && !(text.starts_with('$') && text.find_first_of(" \t") == std::string::npos))
    return "a secret of type " + type + " is a hash as crypt(3) makes it, $6$... or so";
  return type == "7" && !decode_type7(text) ? "not a text of type 7" : Refusal();
}

ResultOrText<std::string> public_key_line(const std::string& block) {
  // As in .ssh/id_rsa.pub. Of the bare base64, the type is written in its beginning.
  std::string text = without_breaks(block);
  if (text.starts_with("AAAA") && text.find(' ') == text.npos) {
    if (const auto bare = read_public_key(bytes_of(text), {.min_rsa_bits = kRsaBitsFloor}))
      text.insert(0, " ").insert(0, row_of(bare->key.type()).name);
  }
  KeyLimits limits;
  // What `crypto key minimum-rsa` asks for is kept and shown, but lets nobody in below it.
  limits.min_rsa_bits = kRsaBitsFloor;
  auto key = parse_authorized_key(text, limits);
  if (!key) return fail("key-string: " + key.error());
  if (!*key || find_key_type(text.substr(0, text.find(' '))) == nullptr)
    return fail(std::string("key-string: no public key"));
  return text;
}

constinit const SettingBinding kVersionTwo{
    [](ServerConfig& config, const CommandLine&) {
      config.ssh_version = 2;
      return Refusal();
    },
    forget_version, forget_version,
    [](const ServerConfig& config) { return config.ssh_version == 2 ? Lines{CommandLine{}} : Lines(); }};
constinit const SettingBinding kVersion{set_version, forget_version, forget_version, version_lines};
constinit const SettingBinding kListen{add_listen, remove_listen, remove_listen, listen_lines};
constinit const SettingBinding kVrf{set_vrf, remove_vrf, remove_vrf, vrf_lines};
constinit const SettingBinding kAccessList{add_access_list, remove_access_list, remove_access_list, access_list_lines};
constinit const SettingBinding kAccessRule{add_rule, remove_rule, remove_rule, rule_lines};
constinit const SettingBinding kPermitOpen = kTargets<&ForwardingSettings::permit_open>;
constinit const SettingBinding kPermitListen = kTargets<&ForwardingSettings::permit_listen>;
constinit const SettingBinding kUser{set_user, remove_user, remove_user, user_lines};
constinit const SettingBinding kUserSecret{set_secret_below, remove_secret_below, remove_secret_below, no_lines};
constinit const SettingBinding kUserGroup{add_group, remove_group, remove_group, group_lines};
constinit const SettingBinding kPubkeyChain{accept, remove_all_keys, remove_all_keys, chain_line};
constinit const SettingBinding kPubkeyUser{add_key_user, remove_user_keys, remove_user_keys, key_user_lines};
constinit const SettingBinding kKeyString{add_key, remove_keys, remove_keys, key_lines};
constinit const SettingBinding kKeyHash{add_key_hash, remove_key_hash, remove_key_hash, key_hash_lines};

}  // namespace sluice::binding
