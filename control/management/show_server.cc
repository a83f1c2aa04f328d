// The server's settings and its machinery.
#include <algorithm>
#include <array>
#include <cstdio>

#include "base/counter.h"
#include "control/config/algorithm_choice.h"
#include "control/management/config_ledger.h"
#include "control/management/exec_handlers.h"
#include "control/management/shell_session.h"

namespace sluice::exec {
namespace {

std::string number(uint64_t value) { return std::to_string(value); }

std::string joined(const std::vector<std::string>& words, std::string_view separator = ",") {
  std::string out;
  for (const std::string& word : words) out.append(out.empty() ? "" : separator).append(word);
  return out;
}

std::string titled(std::string_view title) {
  const std::string dashes(21, '-');
  return dashes + "\n" + std::string(title) + "\n" + dashes + "\n";
}

std::vector<std::string> methods_of(const ServerConfig& config) {
  std::vector<std::string> all;
  if (config.login.ways.empty()) all = {"publickey", "keyboard-interactive", "password"};
  for (const std::string& way : config.login.ways) {
    for (std::string_view rest = way; !rest.empty();) {
      const size_t comma = std::min(rest.find(','), rest.size());
      if (std::find(all.begin(), all.end(), rest.substr(0, comma)) == all.end())
        all.emplace_back(rest.substr(0, comma));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return all;
}

std::string yes_when(const std::vector<std::string>& methods, std::string_view method) {
  return std::find(methods.begin(), methods.end(), method) != methods.end() ? "Yes" : "No";
}

std::string vrfs_of(const ServerConfig& config) {
  const auto one = [](const std::string& name, const VrfSettings& vrf) {
    return "vrfname:=" + name + "(v4-acl:=" + vrf.ipv4_access_list + ", v6-acl:=" + vrf.ipv6_access_list + ")";
  };
  if (config.vrfs.empty()) return one("default", {});
  std::vector<std::string> all;
  for (const auto& [name, vrf] : config.vrfs) all.push_back(one(name, vrf));
  return joined(all, ", ");
}

std::string forwarding_of(const ForwardingSettings& forwarding) {
  std::vector<std::string> ways;
  if (forwarding.local) ways.emplace_back("local");
  if (forwarding.remote) ways.emplace_back("remote");
  if (forwarding.unix_local) ways.emplace_back("unix-local");
  if (forwarding.unix_remote) ways.emplace_back("unix-remote");
  if (forwarding.agent) ways.emplace_back("agent");
  return ways.empty() ? "Disabled" : joined(ways, " ");
}

std::string trustpoints_of(const ServerConfig& config, std::string_view kind) {
  std::vector<std::string> names;
  for (const char* setting : {"trustpoint", "certificate"}) {
    const auto found = config.kept.find(setting);
    if (found == config.kept.end()) continue;
    for (std::string_view line : found->second) {
      if (line.starts_with("trustpoint ")) line.remove_prefix(11);
      if (line.starts_with(kind) && line.size() > kind.size() + 1) names.emplace_back(line.substr(kind.size() + 1));
    }
  }
  return joined(names, " ");
}

}  // namespace

void show_server(Command exec) {
  const ServerConfig& config = exec->host.running();
  const ChosenAlgorithms chosen = choose_algorithms(config);
  const auto methods = methods_of(config);
  Report& report = exec->report;
  report.eyes(date_line(*exec) + titled("SSH Server Parameters"));
  report.facts("parameters",
               {{"Current supported versions", "v2"},
                {"SSH port", config.enabled ? number(config.listen.port) : "Disabled"},
                {"SSH vrfs", vrfs_of(config)},
                {"Netconf Port", number(config.listen.netconf_port)},
                {"Netconf Vrfs", ""}},
               " := ");
  report.eyes("\n" + titled("Algorithms"));
  report.facts("algorithms",
               {{"Hostkey Algorithms", joined(chosen.host_keys)},
                {"Key-Exchange Algorithms", joined(chosen.kex)},
                {"Encryption Algorithms", joined(chosen.ciphers)},
                {"Mac Algorithms", joined(chosen.macs)}},
               " := ");
  report.eyes("\n" + titled("Authentication Method Supported"));
  report.facts("authentication",
               {{"PublicKey", yes_when(methods, "publickey")},
                {"Password", yes_when(methods, "password")},
                {"Keyboard-Interactive", yes_when(methods, "keyboard-interactive")},
                {"Certificate Based", "No"}},
               " := ");
  report.eyes("\n" + titled("Others"));
  const auto& scale = config.listen.tcp_window_scale;
  report.facts("others",
               {{"DSCP", number(config.listen.dscp)},
                {"Ratelimit", number(config.limits.rate_per_minute)},
                {"Sessionlimit", number(config.limits.sessions)},
                {"Rekeytime", number(config.rekey.minutes)},
                {"Server rekeyvolume", number(config.rekey.megabytes)},
                {"TCP window scale factor", scale ? number(*scale) : "1"},
                {"Backup Server", "Disabled"},
                {"Host Trustpoint", trustpoints_of(config, "host")},
                {"User Trustpoint", trustpoints_of(config, "user")},
                {"Port Forwarding", forwarding_of(config.forwarding)},
                {"Max Authentication Limit", number(config.limits.max_auth_tries)},
                {"Certificate username", "Common name (CN)"},
                {"OpenSSH Host Trustpoint", ""},
                {"OpenSSH User Trustpoint", ""}},
               " := ");
}

void show_ip_ssh(Command exec) {
  const ServerConfig& config = exec->host.running();
  const ChosenAlgorithms chosen = choose_algorithms(config);
  std::vector<std::string> user_algorithms = config.login.key_algorithms;
  if (user_algorithms.empty()) user_algorithms = server_transport_config(config).signature_algorithms;
  const bool served = config.enabled && exec->facts.host_keys > 0;
  exec->report.eyes(date_line(*exec));
  exec->report.text("status", std::string(served ? "SSH Enabled" : "SSH Disabled") + " - version 2.0\n");
  exec->report.facts("algorithms",
                     {{"Authentication methods", joined(methods_of(config))},
                      {"Authentication Publickey Algorithms", joined(user_algorithms)},
                      {"Hostkey Algorithms", joined(chosen.host_keys)},
                      {"Encryption Algorithms", joined(chosen.ciphers)},
                      {"MAC Algorithms", joined(chosen.macs)},
                      {"KEX Algorithms", joined(chosen.kex)}},
                     ":");
  exec->report.text("limits", "Authentication timeout: " + number(config.limits.login_timeout_s) +
                                  " secs; Authentication retries: " + number(config.limits.max_auth_tries) +
                                  "\nMinimum expected Diffie Hellman key size : " +
                                  number(config.algorithms.min_dh_bits) + " bits\n");
}

void show_version(Command exec) {
  const uint64_t up = (wall_ms() - exec->host.started_ms()) / 1000;
  exec->report.eyes(date_line(*exec));
  exec->report.facts(
      "version",
      {{"Sluice", "0.1.0"},
       {exec->host.running().hostname + " uptime is",
        number(up / 86400) + " days, " + number(up / 3600 % 24) + " hours, " + number(up / 60 % 60) + " minutes"}},
      " ");
}

void show_clock(Command exec) { exec->report.text("clock", date_text(wall_ms()) + "\n"); }

void show_privilege(Command exec) {
  exec->report.text("privilege", "Current privilege level is " + number(exec->shell.who().privilege) + "\n");
}

void show_tech_support(Command exec) {
  struct Part {
    const char* title;
    void (*show)(Command);
  };
  constexpr std::array kParts{Part{"version", show_version},
                              Part{"clock", show_clock},
                              Part{"running-config", show_running},
                              Part{"ip ssh", show_ip_ssh},
                              Part{"ssh server", show_server},
                              Part{"ssh", show_ssh},
                              Part{"ssh session details", show_session_details},
                              Part{"ssh rekey", show_rekey},
                              Part{"ssh history details", show_history_details},
                              Part{"users", show_users},
                              Part{"lpts bindings brief", show_lpts},
                              Part{"tcp", show_tcp},
                              Part{"dataplane", show_dataplane},
                              Part{"crypto offload", show_offload},
                              Part{"port", show_port},
                              Part{"crypto key mypubkey all", show_keys}};
  exec->line.values.clear();
  for (const Part& part : kParts) {
    exec->report.eyes(std::string("\n------------------ show ") + part.title + " ------------------\n\n");
    part.show(exec);
  }
}

}  // namespace sluice::exec
