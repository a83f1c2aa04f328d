// The options of authorized_keys: two tables, flags and options with a value, and the value parsers.
#include "control/keys/key_options.h"

#include <algorithm>
#include <charconv>
#include <ctime>

namespace sluice {
namespace {

// Bounds that keep one line from costing more than its reading: nobody needs more.
constexpr size_t kMaxEnvironment = 256;
constexpr size_t kMaxTargets = 1024;

using Outcome = ResultOrText<void>;

struct FlagRow {
  std::string_view name;
  void (*apply)(KeyOptions&);
};

constexpr FlagRow kFlags[] = {
    {"agent-forwarding", [](KeyOptions& o) { o.agent_forwarding = true; }},
    {"no-agent-forwarding", [](KeyOptions& o) { o.agent_forwarding = false; }},
    {"port-forwarding", [](KeyOptions& o) { o.port_forwarding = true; }},
    {"no-port-forwarding", [](KeyOptions& o) { o.port_forwarding = false; }},
    {"pty", [](KeyOptions& o) { o.pty = true; }},
    {"no-pty", [](KeyOptions& o) { o.pty = false; }},
    {"user-rc", [](KeyOptions& o) { o.user_rc = true; }},
    {"no-user-rc", [](KeyOptions& o) { o.user_rc = false; }},
    {"x11-forwarding", [](KeyOptions& o) { o.x11_forwarding = true; }},
    {"no-x11-forwarding", [](KeyOptions& o) { o.x11_forwarding = false; }},
    {"cert-authority", [](KeyOptions& o) { o.cert_authority = true; }},
    {"no-touch-required", [](KeyOptions& o) { o.touch.presence_required = false; }},
    {"verify-required", [](KeyOptions& o) { o.touch.verification_required = true; }},
    {"restrict",
     [](KeyOptions& o) {
       o.restricted = true;
       o.agent_forwarding = o.port_forwarding = o.pty = o.user_rc = o.x11_forwarding = false;
     }},
};

Outcome fail_with(std::string_view what, std::string_view value) {
  std::string text(what);
  return fail(text.append(": ").append(value));
}

Outcome set_command(KeyOptions& options, std::string value) {
  if (options.command) return fail("command= twice");
  options.command = std::move(value);
  return {};
}

Outcome set_from(KeyOptions& options, std::string value) {
  if (options.from) return fail("from= twice");
  auto list = SourceList::parse(value);
  if (!list) return fail(list.error());
  options.from = std::move(*list);
  return {};
}

Outcome set_principals(KeyOptions& options, std::string value) {
  if (options.principals) return fail("principals= twice");
  options.principals.emplace();
  for_each_part(value, [&](std::string_view name) { options.principals->emplace_back(name); });
  if (std::find(options.principals->begin(), options.principals->end(), "") != options.principals->end())
    return fail("empty name in principals=");
  return {};
}

Outcome add_environment(KeyOptions& options, std::string value) {
  const size_t equals = value.find('=');
  const std::string name = value.substr(0, equals);
  const bool sound = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (equals == std::string::npos || !sound) return fail_with("environment= wants NAME=value", value);
  if (options.environment.size() >= kMaxEnvironment) return fail("too many environment=");
  const bool known = std::any_of(options.environment.begin(), options.environment.end(),
                                 [&](const auto& variable) { return variable.first == name; });
  // The first one counts, as in OpenSSH.
  if (!known) options.environment.emplace_back(name, value.substr(equals + 1));
  return {};
}

Outcome set_expiry(KeyOptions& options, std::string value) {
  const auto time = parse_expiry_time(value);
  if (!time) return fail_with("bad expiry-time", value);
  options.expires_at = std::min(*time, options.expires_at.value_or(*time));
  return {};
}

Outcome set_tunnel(KeyOptions& options, std::string value) {
  if (options.tunnel) return fail("tunnel= twice");
  uint32_t device = kAnyTunnel;
  if (value != "any") {
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), device);
    if (error != std::errc() || end != value.data() + value.size() || device >= kAnyTunnel)
      return fail_with("bad tunnel device", value);
  }
  options.tunnel = device;
  return {};
}

std::optional<uint16_t> parse_port(std::string_view text) {
  if (text == "*") return kAnyPort;
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

// host:port or [host]:port; where the host may be missing, its default is given.
std::optional<ForwardTarget> parse_target(std::string_view text, std::optional<std::string_view> default_host) {
  std::string_view host;
  std::string_view port;
  if (text.starts_with('[')) {
    const size_t close = text.find("]:");
    if (close == std::string_view::npos) return std::nullopt;
    host = text.substr(1, close - 1);
    port = text.substr(close + 2);
  } else {
    const size_t colon = text.find(':');
    if (colon == std::string_view::npos) {
      if (!default_host) return std::nullopt;
      host = *default_host;
      port = text;
    } else {
      host = text.substr(0, colon);
      port = text.substr(colon + 1);
    }
  }
  const auto number = parse_port(port);
  if (!number || host.empty()) return std::nullopt;
  return ForwardTarget{to_lower(host), *number};
}

Outcome add_targets(std::vector<ForwardTarget>& targets, std::string_view value,
                    std::optional<std::string_view> default_host) {
  Outcome outcome;
  for_each_part(value, [&](std::string_view part) {
    const auto target = parse_target(part, default_host);
    if (!target)
      outcome = fail_with("bad host and port", part);
    else if (targets.size() >= kMaxTargets)
      outcome = fail("too many hosts and ports");
    else
      targets.push_back(*target);
  });
  return outcome;
}

struct ValueRow {
  std::string_view name;
  Outcome (*apply)(KeyOptions&, std::string);
};

constexpr ValueRow kValues[] = {
    {"command", set_command},
    {"environment", add_environment},
    {"expiry-time", set_expiry},
    {"from", set_from},
    {"permitlisten", [](KeyOptions& o, std::string v) { return add_targets(o.permit_listen, v, "*"); }},
    {"permitopen", [](KeyOptions& o, std::string v) { return add_targets(o.permit_open, v, std::nullopt); }},
    {"principals", set_principals},
    {"tunnel", set_tunnel},
};

// A quoted value at the front of rest, which moves past it. Inside, \" is a quote; other backslashes are themselves.
std::optional<std::string> take_quoted(std::string_view& rest) {
  if (!rest.starts_with('"')) return std::nullopt;
  std::string value;
  for (size_t at = 1; at < rest.size(); ++at) {
    if (rest[at] == '"') {
      rest.remove_prefix(at + 1);
      return value;
    }
    if (rest[at] == '\\' && at + 1 < rest.size() && rest[at + 1] == '"') ++at;
    value += rest[at];
  }
  return std::nullopt;
}

Outcome apply_one(KeyOptions& options, std::string_view& rest) {
  const std::string name = to_lower(rest.substr(0, rest.find_first_of("=,\"")));
  rest.remove_prefix(name.size());
  if (!rest.starts_with('=')) {
    for (const FlagRow& row : kFlags)
      if (row.name == name) return row.apply(options), Outcome();
    return fail_with("unknown option or key type", name);
  }
  rest.remove_prefix(1);
  for (const ValueRow& row : kValues) {
    if (row.name != name) continue;
    auto value = take_quoted(rest);
    if (!value) return fail_with("value not in quotes", name);
    return row.apply(options, std::move(*value));
  }
  return fail_with("unknown option", name);
}

bool same_port(uint16_t permitted, uint16_t port) { return permitted == kAnyPort || permitted == port; }

}  // namespace

bool KeyOptions::may_open(std::string_view host, uint16_t port) const {
  if (!port_forwarding) return false;
  const std::string name = to_lower(host);
  return permit_open.empty() || std::any_of(permit_open.begin(), permit_open.end(), [&](const ForwardTarget& target) {
           return (target.host == "*" || target.host == name) && same_port(target.port, port);
         });
}

bool KeyOptions::may_listen(std::string_view host, uint16_t port) const {
  if (!port_forwarding) return false;
  const std::string name = to_lower(host);
  return permit_listen.empty() ||
         std::any_of(permit_listen.begin(), permit_listen.end(), [&](const ForwardTarget& target) {
           return matches_pattern(name, target.host) && same_port(target.port, port);
         });
}

ResultOrText<KeyOptions> parse_key_options(std::string_view text) {
  KeyOptions options;
  for (;;) {
    if (auto applied = apply_one(options, text); !applied) return fail(applied.error());
    if (text.empty()) return options;
    if (!text.starts_with(',')) return fail("options are not separated by commas");
    text.remove_prefix(1);
  }
}

std::optional<int64_t> parse_expiry_time(std::string_view text) {
  const bool utc = text.ends_with('Z');
  if (utc) text.remove_suffix(1);
  if (text.size() != 8 && text.size() != 12 && text.size() != 14) return std::nullopt;
  if (text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  const auto number = [&](size_t at, size_t digits) {
    int value = 0;
    for (size_t i = at; i < at + digits && i < text.size(); ++i) value = value * 10 + (text[i] - '0');
    return value;
  };
  std::tm time{};
  time.tm_year = number(0, 4) - 1900;
  time.tm_mon = number(4, 2) - 1;
  time.tm_mday = number(6, 2);
  time.tm_hour = number(8, 2);
  time.tm_min = number(10, 2);
  time.tm_sec = number(12, 2);
  time.tm_isdst = -1;
  const std::tm written = time;
  const time_t seconds = utc ? ::timegm(&time) : ::mktime(&time);
  // The 31st of February becomes a day of March: whatever was moved was no date.
  if (seconds < 0 || time.tm_mon != written.tm_mon || time.tm_mday != written.tm_mday ||
      time.tm_min != written.tm_min || time.tm_sec != written.tm_sec || written.tm_hour > 23)
    return std::nullopt;
  return seconds;
}

size_t end_of_options(std::string_view line) {
  bool quoted = false;
  for (size_t at = 0; at < line.size(); ++at) {
    if (line[at] == '\\' && at + 1 < line.size() && line[at + 1] == '"')
      ++at;
    else if (line[at] == '"')
      quoted = !quoted;
    else if (!quoted && (line[at] == ' ' || line[at] == '\t'))
      return at;
  }
  return quoted ? std::string_view::npos : line.size();
}

}  // namespace sluice
