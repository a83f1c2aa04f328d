// Defaults by platform, and what follows from several settings together.
#include "control/config/server_config.h"

#include <unistd.h>

#include <algorithm>
#include <thread>

#include "control/auth/backends/hashed_secret.h"
#include "control/config/algorithm_choice.h"
#include "control/config/cisco_secret.h"

namespace sluice {
namespace {

// Below it only root may listen; whoever is not root serves on the port of the same name in the routers' range.
constexpr unsigned kPortOfRoot = 22;
constexpr unsigned kPortOfOthers = 5522;

constexpr uint64_t kNanoseconds = 1'000'000'000;

ResultOrText<std::string> hash_of(const UserSettings& user) {
  if (user.secret.empty() || user.secret_type == "5" || user.secret_type == "10") return user.secret;
  std::string plain = user.secret;
  if (user.secret_type == "7") {
    auto decoded = decode_type7(user.secret);
    if (!decoded) return fail(std::string("the secret is no type 7 text"));
    plain = std::move(*decoded);
  }
  std::string hashed = hash_secret(Secret(bytes_of(plain)));
  wipe(plain.data(), plain.size());
  if (hashed.empty()) return fail(std::string("the secret cannot be hashed"));
  return hashed;
}

bool names_host(const std::string& source, const Address& address) {
  if (source == "any") return true;
  if (const auto range = AddressRange::parse(source)) return range->contains(address);
  const auto one = Address::parse(source);
  return one && *one == address;
}

bool is_key_hash(const std::string& text) {
  return text.size() == 32 && text.find_first_not_of("0123456789ABCDEF") == std::string::npos;
}

void check_access_list(const std::map<std::string, AccessList>& lists, const std::string& name, const char* family,
                       std::vector<std::string>& doubts) {
  if (!name.empty() && !lists.contains(name))
    doubts.push_back(std::string(family) + " access-list " + name + " does not exist: it admits nobody");
}

// Lists of AAA do what their `local` says.
void check_aaa(const AaaSettings& aaa, std::vector<std::string>& doubts) {
  for (const auto& [what, lists] :
       {std::pair("authentication login ", &aaa.login), {"authorization exec ", &aaa.exec}}) {
    for (const auto& [name, methods] : *lists) {
      const std::string line = std::string("aaa ") + what + name;
      if (name != "default") doubts.push_back(line + " has no effect yet: only the list default is used");
      if (methods != std::vector<std::string>{"local"})
        doubts.push_back(line + ": what is not local has no effect yet: AAA servers are not asked");
    }
  }
}

}  // namespace

bool scp_wants_privilege(const ServerConfig& config) {
  const auto list = config.aaa.exec.find("default");
  return config.aaa.new_model && list != config.aaa.exec.end() &&
         std::find(list->second.begin(), list->second.end(), "local") != list->second.end();
}

Machine Machine::here() {
  const long pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
  Machine machine;
  machine.cores = std::max(1u, std::thread::hardware_concurrency());
  if (pages > 0 && page > 0) machine.memory_bytes = static_cast<uint64_t>(pages) * static_cast<uint64_t>(page);
  machine.root = ::geteuid() == 0;
  return machine;
}

ServerConfig default_config(Platform platform, const Machine& machine) {
  ServerConfig config;
  config.platform = platform;
  config.limits = default_limits(platform, machine.cores, machine.memory_bytes);
  config.listen.port = machine.root || platform != Platform::sluice ? kPortOfRoot : kPortOfOthers;
  // An eighth of the memory holds windows that are open.
  const uint64_t megabytes = machine.memory_bytes >> 20;
  config.session.window_budget_megabytes = static_cast<unsigned>(std::clamp<uint64_t>(megabytes / 8, 64, 65536));
  config.management.shell = platform != Platform::sluice;
  if (platform == Platform::ios) {
    config.limits.login_timeout_s = 120;
    config.limits.max_auth_tries = 3;
    config.scp = false;
  }
  return config;
}

uint64_t RekeySettings::time_ns() const {
  const uint64_t longest = uint64_t{minutes} * 60;
  return (seconds == 0 ? longest : std::min<uint64_t>(longest, seconds)) * kNanoseconds;
}

uint64_t RekeySettings::volume_bytes() const {
  const uint64_t most = uint64_t{megabytes} << 20;
  return kilobytes == 0 ? most : std::min(most, kilobytes << 10);
}

uint64_t RekeySettings::records() const {
  constexpr uint64_t kMost = uint64_t{1} << 31;  // RFC 4344 section 3.1
  return packets == 0 ? kMost : std::min(packets, kMost);
}

std::vector<std::string> doubts_about(const ServerConfig& config) {
  std::vector<std::string> doubts;
  if (!config.enabled) doubts.emplace_back("no ssh server: nobody is served until it is switched on");
  if (config.ssh_version == 1) doubts.emplace_back("version 1 is not served: version 2 it is");
  const ChosenAlgorithms chosen = choose_algorithms(config);
  if (chosen.ciphers.empty()) doubts.emplace_back("no cipher is left");
  if (chosen.macs.empty()) doubts.emplace_back("no MAC is left: only ciphers with their own tag can be agreed");
  if (chosen.kex.empty()) doubts.emplace_back("no key exchange method is left");
  if (chosen.host_keys.empty()) doubts.emplace_back("no kind of host key is left");
  for (const auto& [name, user] : config.users) {
    for (const std::string& hash : user.key_hashes)
      if (!is_key_hash(hash))
        doubts.push_back("key-hash " + hash + " of " + name + " is no MD5 hash: it lets nobody in");
  }
  check_aaa(config.aaa, doubts);
  for (const auto& [name, vrf] : config.vrfs) {
    check_access_list(config.ipv4_access_lists, vrf.ipv4_access_list, "ipv4", doubts);
    check_access_list(config.ipv6_access_lists, vrf.ipv6_access_list, "ipv6", doubts);
  }
  return doubts;
}

ResultOrText<std::vector<LocalUser>> local_users(const ServerConfig& config, const KeyLimits& limits) {
  std::vector<LocalUser> users;
  for (const auto& [name, settings] : config.users) {
    LocalUser user;
    user.name = name;
    user.privilege = static_cast<uint8_t>(settings.privilege.value_or(1));
    auto hashed = hash_of(settings);
    if (!hashed) return fail("username " + name + ": " + hashed.error());
    user.hashed_secret = std::move(*hashed);
    for (const std::string& text : settings.keys) {
      auto key = parse_authorized_key(text, limits);
      // Too short for the limits.
      if (key && *key) user.keys.push_back(std::move(**key));
    }
    for (const std::string& hash : settings.key_hashes)
      if (is_key_hash(hash)) user.key_hashes.push_back(hash);
    users.push_back(std::move(user));
  }
  return users;
}

bool admitted(const ServerConfig& config, std::string_view vrf, const Address& address) {
  const auto found = config.vrfs.find(std::string(vrf));
  // Without any `ssh server vrf` the default table is served.
  if (found == config.vrfs.end()) return config.vrfs.empty() && vrf == kDefaultVrf;
  const std::string& name = address.v4 ? found->second.ipv4_access_list : found->second.ipv6_access_list;
  if (name.empty()) return true;
  const auto& lists = address.v4 ? config.ipv4_access_lists : config.ipv6_access_lists;
  const auto list = lists.find(name);
  if (list == lists.end()) return false;
  for (const auto& [sequence, rule] : list->second)
    if (names_host(rule.source, address)) return rule.permit;
  return false;
}

}  // namespace sluice
