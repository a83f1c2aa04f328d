// What the commands of management and of the shell's client do with a configuration, and the lines that do it again.
#include <algorithm>

#include "control/config/command_bindings.h"
#include "control/config/setting_binding.h"

namespace sluice::binding {
namespace {

using Lines = std::vector<CommandLine>;

// Of one server, and of servers: what a person types.
constexpr size_t kMaxServerKeys = 16;
constexpr size_t kMaxServers = 1024;

// Values: secret or password, type, text.
Refusal set_enable(ServerConfig& config, const CommandLine& line) {
  if (Refusal doubt = doubt_secret(first_of(line, 1), first_of(line, 2)); !doubt.empty()) return doubt;
  config.management.secret_word = first_of(line, 0) == "secret";
  config.management.secret_type = first_of(line, 1);
  config.management.secret = first_of(line, 2);
  return {};
}

void remove_enable(ServerConfig& config, const CommandLine&, const ServerConfig&) {
  config.management.secret_word = false;
  config.management.secret_type.clear();
  config.management.secret.clear();
}

Lines enable_lines(const ServerConfig& config) {
  const ManagementSettings& set = config.management;
  if (set.secret.empty()) return {};
  CommandLine line{false, {{set.secret_word ? "secret" : "password"}, {}, {set.secret}}, {}};
  if (!set.secret_type.empty()) line.values[1] = {set.secret_type};
  return {line};
}

Refusal set_interface(ServerConfig& config, const CommandLine& line) {
  config.client.source_interface = first_of(line, 0);
  if (!first_of(line, 1).empty()) config.client.source_interface.append(" ").append(first_of(line, 1));
  return {};
}

void remove_interface(ServerConfig& config, const CommandLine&, const ServerConfig&) {
  config.client.source_interface.clear();
}

Lines interface_lines(const ServerConfig& config) {
  const std::string& text = config.client.source_interface;
  if (text.empty()) return {};
  const size_t blank = text.find(' ');
  CommandLine line{false, {{text.substr(0, blank)}, {}}, {}};
  if (blank != std::string::npos) line.values[1] = {text.substr(blank + 1)};
  return {line};
}

// Keys of servers.

ResultOrText<PeerKeys*> server_named(ServerConfig& config, const std::string& name) {
  auto& servers = config.client.servers;
  if (servers.size() >= kMaxServers && !servers.contains(name)) return fail(std::string("too many servers"));
  PeerKeys& server = servers[name];
  if (server.keys.size() + server.key_hashes.size() >= kMaxServerKeys)
    return fail(std::string("too many keys for one server"));
  return &server;
}

Refusal add_server(ServerConfig& config, const CommandLine& line) {
  auto& servers = config.client.servers;
  if (servers.size() >= kMaxServers && !servers.contains(first_of(line, 0))) return "too many servers";
  servers[first_of(line, 0)];
  return {};
}

void remove_server(ServerConfig& config, const CommandLine& line, const ServerConfig&) {
  config.client.servers.erase(first_of(line, 0));
}

Lines server_lines(const ServerConfig& config) {
  Lines lines;
  for (const auto& one : config.client.servers) lines.push_back({false, {{one.first}}, {}});
  return lines;
}

Refusal add_server_key(ServerConfig& config, const CommandLine& line) {
  const auto server = server_named(config, line.context[0]);
  if (!server) return server.error();
  auto text = public_key_line(first_of(line, 0));
  if (!text) return text.error();
  auto& keys = (*server)->keys;
  if (std::find(keys.begin(), keys.end(), *text) == keys.end()) keys.push_back(std::move(*text));
  return {};
}

void remove_server_keys(ServerConfig& config, const CommandLine& line, const ServerConfig&) {
  config.client.servers[line.context[0]].keys.clear();
}

Lines server_key_lines(const ServerConfig& config) {
  Lines lines;
  for (const auto& [name, server] : config.client.servers)
    for (const std::string& key : server.keys) lines.push_back({false, {{key}}, {name}});
  return lines;
}

Refusal add_server_hash(ServerConfig& config, const CommandLine& line) {
  const auto server = server_named(config, line.context[0]);
  if (!server) return server.error();
  auto& hashes = (*server)->key_hashes;
  if (std::find(hashes.begin(), hashes.end(), first_of(line, 1)) == hashes.end()) hashes.push_back(first_of(line, 1));
  return {};
}

void remove_server_hash(ServerConfig& config, const CommandLine& line, const ServerConfig&) {
  std::erase(config.client.servers[line.context[0]].key_hashes, first_of(line, 1));
}

Lines server_hash_lines(const ServerConfig& config) {
  Lines lines;
  for (const auto& [name, server] : config.client.servers)
    for (const std::string& hash : server.key_hashes) lines.push_back({false, {{"ssh-rsa"}, {hash}}, {name}});
  return lines;
}

// Other hosts' logs.

constexpr unsigned kSyslogPort = 514;
constexpr size_t kMaxLogHosts = 16;

Refusal add_log_host(ServerConfig& config, const CommandLine& line) {
  auto& hosts = config.log.hosts;
  if (hosts.size() >= kMaxLogHosts && !hosts.contains(first_of(line, 0))) return "too many hosts";
  hosts[first_of(line, 0)] =
      first_of(line, 1).empty() ? kSyslogPort : static_cast<unsigned>(number_of(line.values[1][0]));
  return {};
}

void remove_log_host(ServerConfig& config, const CommandLine& line, const ServerConfig&) {
  config.log.hosts.erase(first_of(line, 0));
}

Lines log_host_lines(const ServerConfig& config) {
  Lines lines;
  for (const auto& [address, port] : config.log.hosts) {
    CommandLine line{false, {{address}, {}}, {}};
    if (port != kSyslogPort) line.values[1] = {std::to_string(port)};
    lines.push_back(std::move(line));
  }
  return lines;
}

// What certificate profiles name stands below them.

void forget(ServerConfig& config, std::initializer_list<const char*> settings) {
  for (const char* setting : settings) config.kept_entries.erase(setting);
}

void remove_profile(ServerConfig& config, const CommandLine&, const ServerConfig&) {
  forget(config, {"profile-sign", "profile-verify"});
}
void remove_profile_server(ServerConfig& config, const CommandLine&, const ServerConfig&) {
  forget(config, {"profile-sign"});
}
void remove_profile_user(ServerConfig& config, const CommandLine&, const ServerConfig&) {
  forget(config, {"profile-verify"});
}
Lines one_plain_line(const ServerConfig&) { return {CommandLine{}}; }

Refusal take(ServerConfig&, const CommandLine&) { return {}; }
void leave(ServerConfig&, const CommandLine&, const ServerConfig&) {}
Lines no_lines(const ServerConfig&) { return {}; }

}  // namespace

constinit const SettingBinding kEnableSecret{set_enable, remove_enable, remove_enable, enable_lines};
constinit const SettingBinding kShellsCommand{take, leave, leave, no_lines};
constinit const SettingBinding kLogHost{add_log_host, remove_log_host, remove_log_host, log_host_lines};
constinit const SettingBinding kCertificateProfile{take, remove_profile, remove_profile, one_plain_line};
constinit const SettingBinding kProfileServer{take, remove_profile_server, remove_profile_server, one_plain_line};
constinit const SettingBinding kProfileUser{take, remove_profile_user, remove_profile_user, one_plain_line};
constinit const SettingBinding kSourceInterface{set_interface, remove_interface, remove_interface, interface_lines};
constinit const SettingBinding kChainServer{add_server, remove_server, remove_server, server_lines};
constinit const SettingBinding kServerKeyString{add_server_key, remove_server_keys, remove_server_keys,
                                                server_key_lines};
constinit const SettingBinding kServerKeyHash{add_server_hash, remove_server_hash, remove_server_hash,
                                              server_hash_lines};

}  // namespace sluice::binding
