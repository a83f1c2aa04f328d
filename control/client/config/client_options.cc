// Words to values, in the order in which one depends on another.
#include "control/client/config/client_options.h"

#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "control/client/config/algorithm_list.h"
#include "control/client/config/known_hosts_command.h"
#include "control/client/config/read_config.h"
#include "control/keys/name_patterns.h"
#include "control/keys/words.h"

namespace sluice {
namespace {

using Words = ClientSettings::Words;

struct DscpName {
  std::string_view name;
  int octet;
};
constexpr DscpName kDscpNames[] = {
    {"af11", 0x28},        {"af12", 0x30}, {"af13", 0x38}, {"af21", 0x48}, {"af22", 0x50},     {"af23", 0x58},
    {"af31", 0x68},        {"af32", 0x70}, {"af33", 0x78}, {"af41", 0x88}, {"af42", 0x90},     {"af43", 0x98},
    {"cs0", 0x00},         {"cs1", 0x20},  {"cs2", 0x40},  {"cs3", 0x60},  {"cs4", 0x80},      {"cs5", 0xa0},
    {"cs6", 0xc0},         {"cs7", 0xe0},  {"ef", 0xb8},   {"le", 0x04},   {"lowdelay", 0x10}, {"throughput", 0x08},
    {"reliability", 0x04}, {"none", -1}};

constexpr const char* kDefaultKeys[] = {"id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk"};

std::optional<int> dscp_of(const std::string& word) {
  for (const DscpName& row : kDscpNames) {
    if (row.name == to_lower(word)) return row.octet;
  }
  char* end = nullptr;
  const long octet = std::strtol(word.c_str(), &end, 0);
  if (word.empty() || *end != '\0' || octet < 0 || octet > 255) return std::nullopt;
  return static_cast<int>(octet);
}

bool says_no(const std::string& word) { return word == "no" || word == "false" || word == "off"; }
bool says_yes(const std::string& word) { return word == "yes" || word == "true"; }

// Each step gives the reason why there is no value, or nothing.
class Maker {
 public:
  Maker(ClientOptions& out) : out_(out), said_(out.settings) {}

  std::string make() {
    using Step = void (Maker::*)();
    for (const Step step : {&Maker::network, &Maker::algorithms, &Maker::rekeying, &Maker::login, &Maker::hosts,
                            &Maker::proxies, &Maker::master, &Maker::session, &Maker::forwards, &Maker::environment}) {
      (this->*step)();
      if (!problem_.empty()) break;
    }
    return std::move(problem_);
  }

 private:
  std::string word(std::string_view name) const { return to_lower(said_.one(name)); }
  void refuse(std::string_view name, const std::string& why) {
    if (problem_.empty()) problem_ = std::string(name) + ": " + why;
  }
  std::string path(std::string_view name, const std::string& text) {
    auto expanded = expand_path(text, out_.tokens);
    if (!expanded) refuse(name, expanded.error());
    return expanded ? *expanded : std::string();
  }

  void network();
  void algorithms();
  void rekeying();
  void login();
  void identities();
  void hosts();
  void proxies();
  void own_port();
  void master();
  void session();
  void forwards();
  void environment();
  void agent();
  void agent_loan();

  ClientOptions& out_;
  ClientSettings& said_;
  std::string problem_;
};

void Maker::network() {
  const std::string family = word("AddressFamily");
  out_.family = family == "inet" ? AF_INET : family == "inet6" ? AF_INET6 : AF_UNSPEC;
  out_.bind_address = said_.one("BindAddress");
  out_.bind_interface = said_.one("BindInterface");
  out_.connect_timeout = std::chrono::seconds(std::max(0LL, seconds_of(said_.one("ConnectTimeout"))));
  out_.connection_attempts = static_cast<unsigned>(std::max(1LL, said_.number("ConnectionAttempts")));
  out_.tcp_keepalive = said_.flag("TCPKeepAlive");
  const Words qos = said_.all("IPQoS");
  const auto interactive = dscp_of(qos.front());
  const auto bulk = dscp_of(qos.back());
  if (!interactive || !bulk || qos.size() > 2) return refuse("IPQoS", "one or two of af11..cs7, ef, none or a number");
  out_.dscp_interactive = *interactive;
  out_.dscp_bulk = *bulk;
  own_port();
  const std::string level = word("LogLevel");
  out_.verbosity = level == "quiet"                       ? Verbosity::quiet
                   : level == "fatal" || level == "error" ? Verbosity::error
                   : level == "info"                      ? Verbosity::info
                   : level == "verbose"                   ? Verbosity::verbose
                                                          : Verbosity::debug;
  out_.syslog_facility = word("SyslogFacility");
  if (said_.flag("Compression")) {
    out_.warnings.push_back("Compression is not offered: the connection goes without");
  }
}

// Ours alone: ssh_config(5) has no such options.
void Maker::own_port() {
  constexpr long long kLeastMtu = 576, kMostMtu = 65535;
  out_.own_port.device = said_.one("PortDevice");
  out_.own_port.addresses = said_.all("PortAddress");
  out_.own_port.gateways = said_.all("PortGateway");
  out_.own_port.eal_arguments = said_.one("PortEalArguments");
  out_.own_port.capture = said_.one("PortCapture");
  const long long mtu = said_.number("PortMtu");
  if (mtu < kLeastMtu || mtu > kMostMtu) return refuse("PortMtu", "a number from 576 to 65535");
  out_.own_port.mtu = static_cast<size_t>(mtu);
  if (!out_.own_port.device.empty() && out_.own_port.addresses.empty())
    refuse("PortDevice", "PortAddress beside it: an address with its prefix, as 192.0.2.1/24");
}

void Maker::algorithms() {
  out_.transport = default_transport_config(Role::client);
  struct {
    std::string_view name;
    AlgorithmFamily family;
    NameList& into;
  } const lists[] = {{"KexAlgorithms", AlgorithmFamily::kex, out_.transport.kex},
                     {"Ciphers", AlgorithmFamily::ciphers, out_.transport.ciphers},
                     {"MACs", AlgorithmFamily::macs, out_.transport.macs},
                     {"HostKeyAlgorithms", AlgorithmFamily::host_keys, out_.transport.host_keys},
                     {"CASignatureAlgorithms", AlgorithmFamily::authorities, out_.host_keys.authority_algorithms},
                     {"PubkeyAcceptedAlgorithms", AlgorithmFamily::signatures, out_.connection.signature_algorithms}};
  for (const auto& list : lists) {
    auto chosen = choose_algorithms(list.family, said_.one(list.name));
    if (!chosen) return refuse(list.name, chosen.error());
    list.into = std::move(*chosen);
    said_.replace(list.name, {join_names(list.into)});
  }
  const auto& accepted = out_.connection.signature_algorithms;
  out_.connection.allow_ssh_rsa = std::find(accepted.begin(), accepted.end(), "ssh-rsa") != accepted.end();
  const KeyLimits limits{.min_rsa_bits = static_cast<unsigned>(said_.number("RequiredRSASize"))};
  out_.transport.host_key_limits = out_.connection.host_key_limits = out_.connection.keys.limits = limits;
}

void Maker::rekeying() {
  const Words limits = said_.all("RekeyLimit");
  if (limits.size() > 2) return refuse("RekeyLimit", "a size and a time");
  if (to_lower(limits[0]) != "default") {
    const long long bytes = to_lower(limits[0]) == "none" ? INT64_MAX : bytes_of_size(limits[0]);
    if (bytes < 16) return refuse("RekeyLimit", "'" + printable(limits[0]) + "' is no size of 16 or more");
    out_.rekey.volume_bytes = static_cast<uint64_t>(bytes);
  }
  if (limits.size() == 2 && to_lower(limits[1]) != "none") {
    const long long seconds = seconds_of(limits[1]);
    if (seconds < 0) return refuse("RekeyLimit", "'" + printable(limits[1]) + "' is no time");
    if (seconds > 0) out_.rekey.time_ns = static_cast<uint64_t>(seconds) * 1'000'000'000u;
  }
}

void Maker::login() {
  ClientConnectionConfig& to = out_.connection;
  to.user = out_.user;
  to.host = out_.host;
  out_.batch = said_.flag("BatchMode");
  std::string order = said_.one("PreferredAuthentications");
  if (order.empty()) order = "publickey,keyboard-interactive,password";
  to.order.clear();
  for_each_part(order, [&](std::string_view name) {
    const AuthMethod method = find_auth_method(name);
    if (method == AuthMethod::count_ || method == AuthMethod::none) return;
    if (method == AuthMethod::publickey && says_no(word("PubkeyAuthentication"))) return;
    if (method == AuthMethod::password && (out_.batch || !said_.flag("PasswordAuthentication"))) return;
    if (method == AuthMethod::keyboard_interactive && (out_.batch || !said_.flag("KbdInteractiveAuthentication")))
      return;
    if (std::find(to.order.begin(), to.order.end(), method) == to.order.end()) to.order.push_back(method);
  });
  to.password_prompts = static_cast<unsigned>(said_.number("NumberOfPasswordPrompts"));
  to.passphrase_prompts = out_.batch ? 0 : to.password_prompts;
  to.login_timeout_ms = 0;
  to.connect_timeout_ms = int64_t{1000} * out_.connect_timeout.count();
  to.alive_interval_ms = std::max(0LL, seconds_of(said_.one("ServerAliveInterval"))) * 1000;
  // In batch mode a server that is gone is noticed, since nobody looks.
  if (out_.batch && !said_.has("ServerAliveInterval")) to.alive_interval_ms = 300'000;
  to.alive_count_max = static_cast<unsigned>(said_.number("ServerAliveCountMax"));
  agent();
  agent_loan();
  identities();
}

// yes, ask, confirm [TIME], or a time.
void Maker::agent_loan() {
  AgentLoan& loan = out_.connection.keys.agent_loan;
  const Words words = said_.all("AddKeysToAgent");
  const std::string first = to_lower(words.front());
  if (says_no(first) && words.size() == 1) return;
  loan.wanted = true;
  loan.ask_first = first == "ask";
  loan.constraints.confirm = first == "confirm";
  const bool timed = !says_yes(first) && !loan.ask_first && !loan.constraints.confirm;
  const long long seconds = timed ? seconds_of(first) : words.size() > 1 ? seconds_of(words[1]) : 0;
  const bool whole = words.size() == 1 || (words.size() == 2 && loan.constraints.confirm);
  if (!whole || seconds < 0 || (timed && seconds == 0))
    return refuse("AddKeysToAgent", "yes, no, ask, confirm [time] or a time expected");
  loan.constraints.lifetime_s = static_cast<uint32_t>(seconds);
}

// A path, a variable's name behind $, SSH_AUTH_SOCK, or none.
void Maker::agent() {
  const char* socket = std::getenv("SSH_AUTH_SOCK");
  std::string named = said_.one("IdentityAgent");
  if (named.empty() || named == "SSH_AUTH_SOCK") {
    out_.connection.agent_path = socket ? socket : "";
  } else if (to_lower(named) != "none") {
    if (named.starts_with('$') && !named.starts_with("${")) named = "${" + named.substr(1) + "}";
    out_.connection.agent_path = path("IdentityAgent", named);
  }
  std::string forward = said_.one("ForwardAgent");
  if (says_no(to_lower(forward))) return;
  if (says_yes(to_lower(forward))) {
    out_.session.agent_to_forward = out_.connection.agent_path;
    return;
  }
  if (forward.starts_with('$') && !forward.starts_with("${")) forward = "${" + forward.substr(1) + "}";
  out_.session.agent_to_forward = path("ForwardAgent", forward);
}

void Maker::identities() {
  ClientKeyOptions& keys = out_.connection.keys;
  keys.identities_only = said_.flag("IdentitiesOnly");
  const Words named = said_.all("IdentityFile");
  for (const std::string& file : named) {
    if (to_lower(file) != "none") keys.files.push_back(path("IdentityFile", file));
  }
  for (const std::string& file : said_.all("CertificateFile")) {
    if (to_lower(file) != "none") keys.certificates.push_back(path("CertificateFile", file));
  }
  keys.files_named = !named.empty();
  if (!named.empty()) return;
  for (const char* name : kDefaultKeys) keys.files.push_back(out_.tokens.home + "/.ssh/" + name);
}

void Maker::hosts() {
  HostKeyPolicyConfig& to = out_.host_keys;
  const std::string alias = said_.one("HostKeyAlias");
  to.host = to_lower(alias.empty() ? out_.host : alias);
  // An alias stands for host and port.
  to.port = alias.empty() ? out_.port : kSshPort;
  const std::string strict = word("StrictHostKeyChecking");
  to.strict = says_yes(strict)         ? StrictHostKeys::yes
              : says_no(strict)        ? StrictHostKeys::no
              : strict == "accept-new" ? StrictHostKeys::accept_new
                                       : StrictHostKeys::ask;
  // Nobody is there to be asked.
  if (out_.batch && to.strict == StrictHostKeys::ask) to.strict = StrictHostKeys::yes;
  for (const std::string& file : said_.all("UserKnownHostsFile"))
    to.user_files.push_back(path("UserKnownHostsFile", file));
  to.global_files = said_.all("GlobalKnownHostsFile");
  const std::string revoked = said_.one("RevokedHostKeys");
  if (!revoked.empty() && to_lower(revoked) != "none") to.revoked_file = path("RevokedHostKeys", revoked);
  const std::string command = said_.one("KnownHostsCommand");
  if (!command.empty() && to_lower(command) != "none") {
    auto program = known_hosts_program(command, out_.tokens);
    if (!program) return refuse("KnownHostsCommand", program.error());
    to.program = std::move(*program);
  }
  to.naming = said_.flag("HashKnownHosts") ? HostNaming::hashed : HostNaming::plain;
  to.fingerprints = word("FingerprintHash") == "md5" ? FingerprintHash::md5 : FingerprintHash::sha256;
  if (said_.flag("NoHostAuthenticationForLocalhost") &&
      (out_.host == "localhost" || out_.host == "::1" || out_.host.starts_with("127."))) {
    to.user_files.clear();
    to.global_files.clear();
    to.program = nullptr;
    to.strict = StrictHostKeys::no;
  }
  const std::string update = word("UpdateHostKeys");
  out_.update_host_keys = says_yes(update)  ? UpdateHostKeys::yes
                          : update == "ask" ? UpdateHostKeys::ask
                                            : UpdateHostKeys::no;
  // A user who keeps another file has a reason for what stands in it.
  if (!said_.has("UpdateHostKeys") && said_.has("UserKnownHostsFile")) out_.update_host_keys = UpdateHostKeys::no;
  out_.visual_host_key = said_.flag("VisualHostKey");
  const std::string engine = said_.one("CryptoEngine");
  if (to_lower(engine) != "none") out_.crypto_engine = engine;
}

void Maker::proxies() {
  const std::string jump = said_.one("ProxyJump");
  const std::string command = said_.one("ProxyCommand");
  if (!jump.empty() && to_lower(jump) != "none") {
    for_each_part(jump, [&](std::string_view hop) {
      if (const auto parsed = parse_destination(hop); !parsed) return refuse("ProxyJump", parsed.error());
      out_.jumps.emplace_back(hop);
    });
  } else if (!command.empty() && to_lower(command) != "none") {
    auto expanded = expand_tokens(command, kProxyTokens, out_.tokens);
    if (!expanded) return refuse("ProxyCommand", expanded.error());
    out_.proxy_command = std::move(*expanded);
  }
}

void Maker::master() {
  const std::string mode = word("ControlMaster");
  out_.master.mode = says_yes(mode)      ? MasterMode::yes
                     : mode == "auto"    ? MasterMode::automatic
                     : mode == "ask"     ? MasterMode::ask
                     : mode == "autoask" ? MasterMode::automatic_ask
                                         : MasterMode::no;
  const std::string socket = said_.one("ControlPath");
  if (!socket.empty() && to_lower(socket) != "none") out_.master.path = path("ControlPath", socket);
  const std::string persist = word("ControlPersist");
  if (says_yes(persist)) out_.master.persist_s = 0;
  if (!says_yes(persist) && !says_no(persist)) out_.master.persist_s = seconds_of(persist);
}

void Maker::session() {
  SessionWishes& to = out_.session;
  const std::string kind = word("SessionType");
  to.kind = kind == "none"        ? SessionKind::none
            : kind == "subsystem" ? SessionKind::subsystem
                                  : SessionKind::shell_or_command;
  const std::string tty = word("RequestTTY");
  to.tty = says_yes(tty)    ? WantTty::yes
           : says_no(tty)   ? WantTty::no
           : tty == "force" ? WantTty::force
                            : WantTty::automatic;
  to.stdin_null = said_.flag("StdinNull");
  to.fork_after_login = said_.flag("ForkAfterAuthentication");
  to.escape_command_line = said_.flag("EnableEscapeCommandline");
  const std::string escape = said_.one("EscapeChar");
  if (to_lower(escape) == "none") {
    to.escape = -1;
  } else if (escape.size() == 2 && escape[0] == '^' && escape[1] >= 64) {
    to.escape = escape[1] & 31;
  } else if (escape.size() == 1) {
    to.escape = static_cast<unsigned char>(escape[0]);
  } else {
    return refuse("EscapeChar", "one character, ^ and a letter, or none");
  }
  if (said_.flag("PermitLocalCommand") && said_.has("LocalCommand")) {
    auto command = expand_tokens(said_.one("LocalCommand"), kAllTokens, out_.tokens);
    if (!command) return refuse("LocalCommand", command.error());
    to.local_command = std::move(*command);
  }
  const std::string remote = said_.one("RemoteCommand");
  if (remote.empty() || to_lower(remote) == "none") return;
  auto command = expand_tokens(remote, kAllTokens, out_.tokens);
  if (!command) return refuse("RemoteCommand", command.error());
  to.command = std::move(*command);
}

void Maker::forwards() {
  SessionWishes& to = out_.session;
  to.gateway_ports = said_.flag("GatewayPorts");
  to.exit_on_forward_failure = said_.flag("ExitOnForwardFailure");
  to.permit_remote_open = said_.all("PermitRemoteOpen");
  to.forward_x11 = said_.flag("ForwardX11");
  to.x11_trusted = said_.flag("ForwardX11Trusted");
  to.x11_timeout_s = seconds_of(said_.one("ForwardX11Timeout"));
  to.xauth = path("XAuthLocation", said_.one("XAuthLocation"));
  to.unlink_sockets = said_.flag("StreamLocalBindUnlink");
  to.socket_mask = static_cast<unsigned>(std::strtoul(said_.one("StreamLocalBindMask").c_str(), nullptr, 8)) & 0777;
  if (said_.flag("ClearAllForwardings")) return;
  struct {
    std::string_view name;
    ResultOrText<ForwardSpec> (*parse)(std::string_view);
  } const kinds[] = {{"LocalForward", parse_local_forward},
                     {"DynamicForward", parse_dynamic_forward},
                     {"RemoteForward", parse_remote_forward}};
  for (const auto& kind : kinds) {
    for (const Words& words : said_.lines(kind.name)) {
      std::string text = words.front();
      for (size_t i = 1; i < words.size(); ++i) text.append(":").append(words[i]);
      auto expanded = text.find_first_of("%$") == std::string::npos ? ResultOrText<std::string>(text)
                                                                    : expand_path(text, out_.tokens);
      if (!expanded) return refuse(kind.name, expanded.error());
      auto spec = kind.parse(*expanded);
      if (!spec) return refuse(kind.name, spec.error());
      to.forwards.push_back(std::move(*spec));
    }
  }
}

void Maker::environment() {
  auto& to = out_.session.environment;
  Words patterns;
  for (const std::string& word : said_.all("SendEnv")) {
    if (!word.starts_with('-')) {
      patterns.push_back(word);
    } else {
      const std::string gone = word.substr(1);
      std::erase_if(patterns, [&](const std::string& pattern) { return matches_pattern(pattern, gone); });
    }
  }
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = text.substr(0, equals);
    const bool wanted = std::any_of(patterns.begin(), patterns.end(),
                                    [&](const std::string& pattern) { return matches_pattern(name, pattern); });
    if (wanted) to.emplace_back(name, text.substr(equals + 1));
  }
  for (const std::string& word : said_.all("SetEnv")) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) return refuse("SetEnv", "NAME=VALUE expected");
    const std::string name = word.substr(0, equals);
    std::erase_if(to, [&](const auto& one) { return one.first == name; });
    to.emplace_back(name, word.substr(equals + 1));
  }
}

}  // namespace

ResultOrText<Destination> parse_destination(std::string_view text, std::string_view scheme) {
  Destination out;
  const std::string shown = printable(text);
  const std::string prefix = std::string(scheme) + "://";
  const bool uri = text.starts_with(prefix);
  if (uri) {
    text.remove_prefix(prefix.size());
    if (text.ends_with('/')) text.remove_suffix(1);
  }
  if (const size_t at = text.rfind('@'); at != std::string_view::npos) {
    std::string_view user = text.substr(0, at);
    if (uri) user = user.substr(0, user.find(';'));
    out.user = user;
    text.remove_prefix(at + 1);
    if (out.user.empty()) return fail("no user before @ in '" + shown + "'");
  }
  std::string_view port;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return fail("no ] in '" + shown + "'");
    out.host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!port.empty() && !port.starts_with(':')) return fail("'" + shown + "' is no destination");
  } else if (const size_t colon = text.find(':'); colon != std::string_view::npos && text.rfind(':') == colon) {
    out.host = text.substr(0, colon);
    port = text.substr(colon);
  } else {
    out.host = text;
  }
  if (port.starts_with(':')) {
    unsigned number = 0;
    const auto read = std::from_chars(port.data() + 1, port.data() + port.size(), number);
    if (read.ec != std::errc() || read.ptr != port.data() + port.size() || number == 0 || number > 65535) {
      return fail("no port behind : in '" + shown + "'");
    }
    out.port = static_cast<uint16_t>(number);
  }
  // A name that begins with - would be a flag of whatever program it is handed to.
  if (out.host.empty() || out.host.starts_with('-') || out.user.starts_with('-')) {
    return fail("'" + shown + "' is no destination");
  }
  return out;
}

ResultOrText<ClientOptions> read_client_options(const ClientInvocation& invocation) {
  ClientOptions out;
  if (auto read = read_config(invocation, out); !read) return fail(read.error());
  Maker maker(out);
  const std::string problem = maker.make();
  if (!problem.empty()) return fail(problem);
  return out;
}

}  // namespace sluice
