// Sessions in the routers' columns: each row on one line, whatever its length.
#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "control/management/config_ledger.h"
#include "control/management/exec_handlers.h"
#include "control/management/shell_session.h"

namespace sluice::exec {
namespace {

constexpr std::string_view kLocation = "0/RP0/CPU0";
constexpr std::string_view kVersionLine = "SSH version : Cisco-2.0\n\n";
// Without a terminal.
constexpr std::string_view kNoTerminal = "X\x58X";

std::string number(uint64_t value) { return std::to_string(value); }
std::string text(std::string_view value) { return std::string(value); }

// The routers' words for how somebody logged in.
std::string authentication_of(const SessionFacts& session) {
  std::string out;
  const auto add = [&](std::string_view word) { out.append(out.empty() ? "" : ",").append(word); };
  std::string_view rest = session.methods;
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view method = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (method == "keyboard-interactive") {
      add("key-intr");
    } else if (method == "publickey") {
      const std::string_view key = session.key;
      add(key.starts_with("RSA") || key.starts_with("ssh-rsa") ? "rsa-pubkey"
          : key.starts_with("EC") || key.starts_with("ecdsa")  ? "ecdsa-pubkey"
          : key.find("25519") != key.npos                      ? "ed25519-pubkey"
                                                               : "pubkey");
    } else {
      add(method);
    }
  }
  return out.empty() ? "-" : out;
}

std::string state_of(const SessionFacts& session) {
  if (session.user.empty()) return "LOGIN";
  return session.in_exchange ? "REKEY" : "SESSION_OPEN";
}

std::string pty_of(const ChannelFacts& channel) {
  return channel.pty ? "vty" + number(channel.vty) : text(kNoTerminal);
}

std::vector<std::string> session_row(const SessionFacts& session, const ChannelFacts& channel) {
  return {number(session.id),
          number(channel.number),
          pty_of(channel),
          text(kLocation),
          state_of(session),
          session.user.empty() ? "-" : session.user,
          session.source,
          "v2",
          authentication_of(session),
          channel.type.empty() ? "-" : channel.type};
}

// A row for each channel, and one for who has none.
template <class Row>
void add_rows(Report::Table& table, const std::vector<SessionFacts>& sessions, Row row) {
  for (const SessionFacts& session : sessions) {
    if (session.channels.empty()) table.rows.push_back(row(session, ChannelFacts{}));
    for (const ChannelFacts& channel : session.channels) table.rows.push_back(row(session, channel));
  }
}

void begin_xr(Exec& exec) { exec.report.eyes(date_line(exec) + std::string(kVersionLine)); }

void show_ssh_ios(Exec& exec) {
  Report::Table table{
      "sessions",
      {{"Connection", 11}, {"Version", 8}, {"Mode", 5}, {"Encryption", 11}, {"Hmac", 10}, {"State", 17}, {"Username"}}};
  for (const SessionFacts& session : exec.facts.sessions) {
    const std::string state = session.user.empty() ? "Authenticating" : "Session started";
    for (const auto& [mode, key] : {std::pair("IN", &session.in), std::pair("OUT", &session.out)})
      table.rows.push_back(
          {number(session.id), "2.0", mode, key->cipher, key->mac.empty() ? "none" : key->mac, state, session.user});
  }
  const bool none = table.rows.empty();
  if (!none) exec.report.table(std::move(table));
  exec.report.eyes("%No SSHv1 server connections running.\n");
  if (none) {
    exec.report.eyes("%No SSHv2 server connections running.\n");
    table.headings = false;
    exec.report.table(std::move(table));
  }
}

std::string host_port(const std::string& host, uint16_t port) { return host + "," + number(port); }

std::string idle_text(uint64_t ms) {
  std::array<char, 32> out{};
  const uint64_t seconds = ms / 1000;
  std::snprintf(out.data(), out.size(), "%02llu:%02llu:%02llu", static_cast<unsigned long long>(seconds / 3600),
                static_cast<unsigned long long>(seconds / 60 % 60), static_cast<unsigned long long>(seconds % 60));
  return out.data();
}

std::string tenths(double value) {
  std::array<char, 48> out{};
  std::snprintf(out.data(), out.size(), "%.1f", value);
  return out.data();
}

// What a session's keys were agreed on by.
std::vector<std::string> key_row(const SessionFacts& one) {
  const auto mac = [](const KeyFacts& key) { return key.mac.empty() ? std::string("implicit") : key.mac; };
  return {number(one.id), one.kex, one.host_key, one.in.cipher, one.out.cipher, mac(one.in), mac(one.out)};
}

// "any6,PORT" takes both families in, as a socket of IPv6 does that is not told otherwise: a row for each, as the
// routers have them.
template <class Add>
void each_listener(const NetworkFacts& facts, const Add& add) {
  constexpr std::string_view kBoth = "any6,";
  for (const std::string& place : facts.listening) {
    if (!place.starts_with(kBoth)) {
      add(place, place.find(':') != place.npos);
      continue;
    }
    const std::string any = "any," + place.substr(kBoth.size());
    add(any, true);
    if (std::find(facts.listening.begin(), facts.listening.end(), any) == facts.listening.end()) add(any, false);
  }
}

}  // namespace

std::string date_text(uint64_t wall) {
  std::array<char, 64> day{}, zone{};
  const auto when = static_cast<std::time_t>(wall / 1000);
  std::tm parts{};
  ::localtime_r(&when, &parts);
  std::strftime(day.data(), day.size(), "%a %b %e %H:%M:%S", &parts);
  std::strftime(zone.data(), zone.size(), "%Z", &parts);
  std::array<char, 160> out{};
  std::snprintf(out.data(), out.size(), "%s.%03u %s", day.data(), static_cast<unsigned>(wall % 1000), zone.data());
  return out.data();
}

std::string date_line(const Exec& exec) {
  return exec.shell.platform() == Platform::ios_xr ? date_text(wall_ms()) + "\n" : std::string();
}

void show_ssh(Command exec) {
  if (exec->shell.platform() == Platform::ios) return show_ssh_ios(*exec);
  begin_xr(*exec);
  Report::Table table{"sessions",
                      {{"id", 4},
                       {"chan", 5},
                       {"pty", 6},
                       {"location", 12},
                       {"state", 14},
                       {"userid", 11},
                       {"host", 16},
                       {"ver", 4},
                       {"authentication", 17},
                       {"connection type", 23}}};
  table.ruled = true;
  add_rows(table, exec->facts.sessions, session_row);
  table.between = {{0, "Incoming sessions"}, {table.rows.size(), "\nOutgoing sessions"}};
  exec->report.table(std::move(table));
}

void show_session_details(Command exec) {
  begin_xr(*exec);
  Report::Table table{"sessions",
                      {{"id", 4},
                       {"key-exchange", 20},
                       {"pubkey", 16},
                       {"incipher", 12},
                       {"outcipher", 12},
                       {"inmac", 15},
                       {"outmac", 15}}};
  table.ruled = true;
  table.between = {{0, "Incoming Sessions"}};
  for (const SessionFacts& one : exec->facts.sessions) table.rows.push_back(key_row(one));
  table.between.emplace_back(table.rows.size(), "\nOutgoing Sessions");
  exec->report.table(std::move(table));
}

void show_history(Command exec) {
  begin_xr(*exec);
  Report::Table table{"history",
                      {{"id", 4},
                       {"chan", 5},
                       {"pty", 6},
                       {"location", 12},
                       {"userid", 11},
                       {"host", 16},
                       {"ver", 4},
                       {"authentication", 17},
                       {"connection type", 23}}};
  table.ruled = true;
  add_rows(table, exec->facts.history, [](const SessionFacts& session, const ChannelFacts& channel) {
    std::vector<std::string> row = session_row(session, channel);
    row.erase(row.begin() + 4);
    return row;
  });
  table.between = {{0, "Incoming sessions"}};
  exec->report.table(std::move(table));
}

void show_history_details(Command exec) {
  begin_xr(*exec);
  Report::Table table{"history",
                      {{"id", 4},
                       {"key-exchange", 20},
                       {"pubkey", 16},
                       {"incipher", 12},
                       {"outcipher", 12},
                       {"inmac", 15},
                       {"outmac", 15},
                       {"start_time", 28},
                       {"end_time", 28}}};
  table.ruled = true;
  table.between = {{0, "Incoming Sessions"}};
  for (const SessionFacts& one : exec->facts.history) {
    std::vector<std::string> row = key_row(one);
    row.push_back(date_text(one.began_ms));
    row.push_back(date_text(one.ended_ms));
    table.rows.push_back(std::move(row));
  }
  exec->report.table(std::move(table));
}

void show_rekey(Command exec) {
  begin_xr(*exec);
  Report::Table table{"rekey", {{"id", 8}, {"RekeyCount", 16}, {"TimeToRekey(min)", 18}, {"VolumeToRekey(MB)", 18}}};
  table.ruled = true;
  table.between = {{0, "Incoming Session"}};
  constexpr double kMegabyte = 1 << 20;
  for (const SessionFacts& one : exec->facts.sessions)
    table.rows.push_back({number(one.id), number(one.exchanges == 0 ? 0 : one.exchanges - 1),
                          tenths(std::min(one.in.seconds_left, one.out.seconds_left) / 60.0),
                          tenths(static_cast<double>(std::min(one.in.bytes_left, one.out.bytes_left)) / kMegabyte)});
  exec->report.table(std::move(table));
}

void show_users(Command exec) {
  exec->report.eyes(date_line(*exec));
  Report::Table table{"users", {{"    Line", 15}, {"User", 17}, {"Host(s)", 10}, {"Idle", 11}, {"Location"}}};
  for (const SessionFacts& one : exec->facts.sessions) {
    for (const ChannelFacts& channel : one.channels) {
      if (!channel.pty) continue;
      std::string line = number(channel.vty + 1);
      line.insert(0, line.size() < 4 ? 4 - line.size() : 0, ' ');
      table.rows.push_back(
          {line + " vty " + number(channel.vty), one.user, "idle", idle_text(one.idle_ms), one.source});
    }
  }
  exec->report.table(std::move(table));
}

void show_lpts(Command exec) {
  exec->report.eyes(date_line(*exec) + "\n@ - Indirect binding; Sc - Scope\n\n");
  Report::Table table{"bindings",
                      {{"Location", 11},
                       {"Clnt", 5},
                       {"Sc", 3},
                       {"L3", 5},
                       {"L4", 7},
                       {"VRF-ID", 9},
                       {"Interface", 10},
                       {"Local-Address,Port", 20},
                       {"Remote-Address,Port"}}};
  table.ruled = true;
  const auto add = [&](const std::string& local, const std::string& remote, bool v6) {
    table.rows.push_back({text(kLocation), "TCP", "LR", v6 ? "IPV6" : "IPV4", "TCP", "default", "any", local, remote});
  };
  each_listener(exec->facts, [&](const std::string& place, bool v6) { add(place, "any", v6); });
  for (const SessionFacts& one : exec->facts.sessions)
    add(host_port(one.local, one.local_port), host_port(one.source, one.port), one.local.find(':') != one.local.npos);
  exec->report.table(std::move(table));
}

void show_tcp(Command exec) {
  exec->report.eyes(date_line(*exec));
  Report::Table table{"tcp", {{"PCB", 10}, {"VRF-ID", 9}, {"Local Address", 24}, {"Foreign Address", 24}, {"State"}}};
  const auto add = [&](uint64_t id, std::string local, std::string remote, const char* state) {
    std::array<char, 32> pcb{};
    std::snprintf(pcb.data(), pcb.size(), "0x%08llx", static_cast<unsigned long long>(id));
    for (std::string* each : {&local, &remote})
      if (const size_t comma = each->rfind(','); comma != each->npos) (*each)[comma] = ':';
    table.rows.push_back({pcb.data(), "default", std::move(local), std::move(remote), state});
  };
  each_listener(exec->facts, [&](const std::string& place, bool) { add(0, place, "any,0", "LISTEN"); });
  for (const SessionFacts& one : exec->facts.sessions)
    add(one.id, host_port(one.local, one.local_port), host_port(one.source, one.port), "ESTAB");
  exec->report.table(std::move(table));
}

}  // namespace sluice::exec
