// EXEC `ssh`, `scp`, `sftp` and `copy` in both dialects' words, as command lines of `sluice`: the operator's client
// runs them in his own name.
#include <algorithm>
#include <array>

#include "base/debug_words.h"
#include "control/config/algorithm_choice.h"
#include "control/config/running_config.h"
#include "control/keys/fingerprint.h"
#include "control/keys/public_key_text.h"
#include "control/management/exec_handlers.h"
#include "control/management/management_host.h"
#include "control/management/shell_session.h"

namespace sluice::exec {
namespace {

using Words = std::vector<std::string>;

struct Spelling {
  std::string_view router, protocol;
};

// For sluicectl to put in: its own path, and that of a file with ShellReply::input.
constexpr const char *kOwnProgram = "{sluicectl}", *kInput = "{input}";

constexpr std::array kSpellings{Spelling{"3des", "3des-cbc"}, Spelling{"hmac-md5-128", "hmac-md5"},
                                Spelling{"hmac-sha1-160", "hmac-sha1"}};

std::string protocol_name(const std::string& word) {
  for (const Spelling& spelling : kSpellings)
    if (spelling.router == word) return std::string(spelling.protocol);
  return word;
}

std::string joined(const Words& words) {
  std::string out;
  for (const std::string& word : words) out.append(out.empty() ? "" : ",").append(word);
  return out;
}

void option(Words& out, std::string_view name, const std::string& value) {
  if (!value.empty()) out.insert(out.end(), {"-o", std::string(name) + "=" + value});
}

std::string host_of(std::string_view place) {
  if (const size_t scheme = place.find("://"); scheme != place.npos) place.remove_prefix(scheme + 3);
  if (const size_t user = place.rfind('@'); user != place.npos) place.remove_prefix(user + 1);
  if (place.starts_with('[')) return std::string(place.substr(1, place.find(']') - 1));
  return std::string(place.substr(0, std::min(place.find_first_of(":/"), place.size())));
}

// Keys of `ip ssh pubkey-chain`: by their hashes, which the operator's program compares with what the server shows. A
// host that has some is known by nothing else, whatever platform and files say. False: it has none.
bool add_known_keys(Words& out, const ServerConfig& config, const std::string& host) {
  const auto found = config.client.servers.find(host);
  if (found == config.client.servers.end()) return false;
  Words hashes = found->second.key_hashes;
  bool rsa = !hashes.empty();
  for (const std::string& line : found->second.keys) {
    const auto named = parse_public_key_line(line);
    if (!named) continue;
    hashes.push_back(sha256_fingerprint(named->key));
    rsa = rsa || named->key.type() == KeyType::rsa;
  }
  if (hashes.empty()) return false;
  option(out, "KnownHostsCommand",
         std::string(kOwnProgram) + " known-server " + joined(hashes) + " " + host + " %H %t %K");
  for (const char* files : {"UserKnownHostsFile", "GlobalKnownHostsFile"}) option(out, files, "/dev/null");
  option(out, "StrictHostKeyChecking", "yes");
  // The server is asked for that kind of key, whatever others it has.
  if (rsa && config.client.host_keys.empty()) option(out, "HostKeyAlgorithms", "^rsa-sha2-512,rsa-sha2-256");
  return true;
}

void add_known_files(Words& out, const ServerConfig& config) {
  const ClientSettings& client = config.client;
  const size_t colon = client.known_hosts.starts_with('/') ? std::string::npos : client.known_hosts.find(':');
  option(out, "UserKnownHostsFile",
         colon == std::string::npos ? client.known_hosts : client.known_hosts.substr(colon + 1));
  // Without the flag IOS goes on whatever the server shows.
  if (client.strict_host_keys || config.platform == Platform::ios)
    option(out, "StrictHostKeyChecking", client.strict_host_keys ? "yes" : "no");
}

// What the configuration says of the client.
Words configured(const ServerConfig& config, const std::string& host) {
  const ClientSettings& client = config.client;
  Words out;
  Words methods = client.auth_methods;
  if (methods.empty()) methods = {"publickey", "keyboard-interactive", "password"};
  option(out, "PreferredAuthentications", joined(methods));
  Words ciphers = client.ciphers;
  if (client.aes_cbc) ciphers.insert(ciphers.end(), {"aes128-cbc", "aes192-cbc", "aes256-cbc"});
  if (client.des3_cbc) ciphers.emplace_back("3des-cbc");
  if (!ciphers.empty()) option(out, "Ciphers", (client.ciphers.empty() ? "+" : "") + joined(ciphers));
  option(out, "KexAlgorithms", joined(client.kex));
  option(out, "MACs", joined(client.macs));
  if (client.macs.empty() && !client.disabled_macs.empty()) option(out, "MACs", "-" + joined(client.disabled_macs));
  Words host_keys;
  for (const std::string& word : client.host_keys)
    for (const std::string_view name : host_key_algorithms(word)) host_keys.emplace_back(name);
  option(out, "HostKeyAlgorithms", joined(host_keys));
  if (!add_known_keys(out, config, host)) add_known_files(out, config);
  // A router's name of an interface has its instance behind a blank; no interface of a host has. A VRF is a device.
  const bool named = client.source_interface.find(' ') == std::string::npos && !client.source_interface.empty();
  option(out, "BindInterface", named ? client.source_interface : client.vrf == "default" ? "" : client.vrf);
  option(out, "IPQoS", std::to_string(client.dscp * 4));
  return out;
}

Words split(const std::string& text) {
  Words words;
  std::string word;
  bool quoted = false, any = false;
  for (const char c : text) {
    if (c == '"') {
      quoted = !quoted;
      any = true;
    } else if (!quoted && (c == ' ' || c == '\t')) {
      if (any) words.push_back(std::exchange(word, {}));
      any = false;
    } else {
      word.push_back(c);
      any = true;
    }
  }
  if (any) words.push_back(word);
  return words;
}

// IOS XR names port, VRF and interface behind the files.
Words file_options(Words& words) {
  Words options;
  while (words.size() > 3) {
    const std::string& key = words[words.size() - 2];
    const std::string& value = words.back();
    if (key == "port") {
      options.insert(options.end(), {"-P", value});
    } else if (key == "vrf") {
      if (value != "default") option(options, "BindInterface", value);
    } else if (key == "source-interface") {
      option(options, "BindInterface", value);
    } else {
      break;
    }
    words.resize(words.size() - 2);
  }
  return options;
}

Words remote_hosts(const Words& words) {
  Words hosts;
  for (const std::string& word : words)
    if (!word.starts_with('-') && !word.starts_with('/') && word.find(':') != word.npos) hosts.push_back(host_of(word));
  return hosts;
}

// True, and said: copies between two hosts have no place for the keys of both.
bool pinned_beside_another(Exec& exec, const Words& words) {
  const Words hosts = remote_hosts(words);
  const auto& servers = exec.host.running().client.servers;
  const bool pinned = std::any_of(hosts.begin(), hosts.end(), [&](const auto& host) { return servers.contains(host); });
  if (hosts.size() < 2 || !pinned) return false;
  exec.refuse("between two hosts keys of ip ssh pubkey-chain cannot be checked: copy to here first, then on");
  return true;
}

std::string remote_of(const Words& words) {
  const Words hosts = remote_hosts(words);
  if (!hosts.empty()) return hosts.front();
  return words.empty() ? std::string() : host_of(words.back());
}

// Of scp and sftp no options but those that run no program and read no other configuration.
bool add_file_words(Exec& exec, const Words& words) {
  constexpr std::string_view kFlags = "rpqv3O";
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const bool flag = word.starts_with('-') && word.size() > 1;
    const bool port = word == "-P" && i + 1 < words.size() && words[i + 1].find_first_not_of("0123456789") == word.npos;
    if (flag && !port && word.find_first_not_of(kFlags, 1) != word.npos) {
      exec.run.clear();
      exec.refuse(word + " is not taken here: -r -p -q -v -3 -O -P PORT");
      return false;
    }
    exec.run.push_back(word);
    if (port) exec.run.push_back(words[++i]);
  }
  return true;
}

void begin(Exec& exec, const char* program, Words options, const std::string& host) {
  if ((exec.shell.debug_mask() & kDebugClient) != 0) exec.run.emplace_back("SLUICE_CLIENT_DEBUG=1");
  exec.run.insert(exec.run.end(), {"sluice", program});
  const Words from = configured(exec.host.running(), host);
  exec.run.insert(exec.run.end(), from.begin(), from.end());
  exec.run.insert(exec.run.end(), options.begin(), options.end());
}

// -v {1|2} -c CIPHER -m MAC -l USER -o numberofpasswordprompts N -p PORT {HOST} [COMMAND]
void ios_line(Exec& exec, const Words& words) {
  Words options;
  size_t at = 0;
  for (; at < words.size() && words[at].starts_with('-') && words[at].size() == 2; at += 2) {
    const char flag = words[at][1];
    if (at + 1 >= words.size()) return exec.refuse("a value is missing behind " + words[at]);
    const std::string& value = words[at + 1];
    if (flag == 'v') {
      if (value != "2") return exec.refuse("version 1 is not spoken: -v 2");
    } else if (flag == 'c') {
      option(options, "Ciphers", protocol_name(value));
    } else if (flag == 'm') {
      option(options, "MACs", protocol_name(value));
    } else if (flag == 'l') {
      if (value.find(":rotary") != value.npos) return exec.refuse("there are no rotary groups here");
      const size_t vrf = value.find(':');
      if (vrf != value.npos) option(options, "BindInterface", value.substr(vrf + 1));
      options.insert(options.end(), {"-l", value.substr(0, vrf)});
    } else if (flag == 'o') {
      if (at + 2 >= words.size()) return exec.refuse("a number is missing behind -o " + value);
      option(options, "NumberOfPasswordPrompts", words[at + 2]);
      ++at;
    } else if (flag == 'p') {
      options.insert(options.end(), {"-p", value});
    } else {
      return exec.refuse("-" + std::string(1, flag) + " is not known: -v -c -m -l -o -p");
    }
  }
  if (at >= words.size() || words[at].starts_with('-')) return exec.refuse("a host is missing behind the options");
  begin(exec, "ssh", std::move(options), host_of(words[at]));
  exec.run.insert(exec.run.end(), {"--", words[at]});
  if (at + 1 < words.size())
    exec.run.insert(exec.run.end(), words.begin() + static_cast<std::ptrdiff_t>(at) + 1, words.end());
}

// HOST, and in any order: username USER, cipher CIPHER..., port PORT, source-interface NAME [INSTANCE], command TEXT.
void xr_line(Exec& exec, const Words& words) {
  constexpr std::array<std::string_view, 6> kKeys{"username",         "cipher",  "port",
                                                  "source-interface", "command", "hashmac"};
  Words options, command;
  size_t at = 0;
  if (words[0] == "vrf" && words.size() > 2) {
    option(options, "BindInterface", words[1] == "default" ? "" : words[1]);
    at = 2;
  }
  const std::string host = words[at];
  for (++at; at < words.size();) {
    const std::string key = words[at++];
    const auto known = std::find_if(kKeys.begin(), kKeys.end(), [&](std::string_view k) { return k.starts_with(key); });
    if (known == kKeys.end())
      return exec.refuse(key + " is not known: username, cipher, port, source-interface, command");
    Words values;
    while (at < words.size() && std::find(kKeys.begin(), kKeys.end(), words[at]) == kKeys.end())
      values.push_back(words[at++]);
    if (values.empty()) return exec.refuse("a value is missing behind " + key);
    if (*known == "username") options.insert(options.end(), {"-l", values[0]});
    if (*known == "port") options.insert(options.end(), {"-p", values[0]});
    if (*known == "cipher") option(options, "Ciphers", joined(values));
    if (*known == "hashmac") option(options, "MACs", joined(values));
    if (*known == "source-interface" && values.size() == 1) option(options, "BindInterface", values[0]);
    if (*known == "source-interface" && values.size() > 1)
      exec.report.eyes("% There is no interface " + values[0] + " " + values[1] + " here\n");
    if (*known == "command") command = values;
  }
  if (host.starts_with('-')) return exec.refuse("a host is missing");
  begin(exec, "ssh", std::move(options), host_of(host));
  exec.run.insert(exec.run.end(), {"--", host});
  exec.run.insert(exec.run.end(), command.begin(), command.end());
}

}  // namespace

void ssh_line(Command exec) {
  const Words words = split(std::string(exec->word(0)));
  if (words.empty()) return exec->refuse("a host is missing");
  if (words[0].starts_with('-')) return ios_line(*exec, words);
  xr_line(*exec, words);
}

// Values: host, then as the names say, those behind them.
void ssh_with(Command exec, std::initializer_list<const char*> names) {
  std::string line = exec->word(0);
  size_t value = 0;
  for (const char* name : names)
    if (exec->has(++value)) line.append(" ").append(name).append(" ").append(exec->word(value));
  xr_line(*exec, split(line));
}

void ssh_host(Command exec) { ssh_with(exec, {"port", "username", "cipher", "source-interface", "command"}); }
void ssh_user(Command exec) { ssh_with(exec, {"username", "port", "cipher", "source-interface", "command"}); }
void ssh_vrf(Command exec) { xr_line(*exec, split("vrf " + exec->word(0) + " " + exec->word(1))); }

void scp_line(Command exec) {
  Words words = split(exec->word(0));
  const Words options = file_options(words);
  if (pinned_beside_another(*exec, words)) return;
  begin(*exec, "scp", options, remote_of(words));
  add_file_words(*exec, words);
}

// With two places IOS XR's copies like scp; with one it is a dialog.
void sftp_line(Command exec) {
  Words words = split(exec->word(0));
  Words options = file_options(words);
  const auto places = std::count_if(words.begin(), words.end(), [](const auto& w) { return !w.starts_with('-'); });
  const bool ports = std::find(words.begin(), words.end(), "-P") != words.end();
  if (pinned_beside_another(*exec, words)) return;
  begin(*exec, places - (ports ? 1 : 0) == 2 ? "scp" : "sftp", std::move(options), remote_of(words));
  add_file_words(*exec, words);
}

// copy FROM TO, each a path or scp://[USER@]HOST[:PORT]/PATH.
void copy_words(Command exec, Words words) {
  if (words.size() != 2) return exec->refuse("copy takes two places: paths, or scp://USER@HOST/PATH");
  if (pinned_beside_another(*exec, words)) return;
  begin(*exec, "scp", {}, remote_of(words));
  exec->run.emplace_back("--");
  for (std::string& word : words) {
    if (word.starts_with("sftp://")) word.replace(0, 4, "scp");
    const size_t colon = word.find(":/");
    // A router's device in front of a path.
    const bool device = colon != word.npos && word.find("://") == word.npos && word.find('@') == word.npos;
    exec->run.push_back(device ? word.substr(colon + 1) : std::move(word));
  }
}

void copy_line(Command exec) { copy_words(exec, split(exec->word(0))); }

void copy_running(Command exec) {
  Words words = split(exec->word(0));
  words.insert(words.begin(), kInput);
  exec->input = running_config(exec->host.running(), exec->host.machine());
  copy_words(exec, std::move(words));
}

}  // namespace sluice::exec
