// The rows, and what each kind of value may be.
#include <algorithm>
#include <charconv>
#include <cstdint>

#include "control/client/config/option_row.h"
#include "control/keys/name_patterns.h"
#include "control/keys/words.h"

namespace sluice {
namespace {

using Kind = OptionKind;

constexpr std::string_view kFamilies = "any|inet|inet6";
constexpr std::string_view kLogLevels = "quiet|fatal|error|info|verbose|debug|debug1|debug2|debug3";

constexpr std::string_view kFacilities =
    "daemon|user|auth|authpriv|local0|local1|local2|local3|local4|local5|local6|local7";

constexpr OptionRow kRows[] = {
    {"AddKeysToAgent", Kind::words, {}, "no"},
    {"AddressFamily", Kind::choice, kFamilies, "any"},
    {"BatchMode", Kind::flag, {}, "no"},
    {"BindAddress", Kind::text},
    {"BindInterface", Kind::text},
    {"CanonicalDomains", Kind::words, {}, "none"},
    {"CanonicalizeFallbackLocal", Kind::flag, {}, "yes"},
    {"CanonicalizeHostname", Kind::choice, "yes|true|no|false|always", "no"},
    {"CanonicalizeMaxDots", Kind::number, {}, "1"},
    {"CanonicalizePermittedCNAMEs", Kind::absent, "none", "none"},
    {"CASignatureAlgorithms", Kind::algorithms},
    {"CertificateFile", Kind::list},
    {"ChannelTimeout", Kind::absent, "none", "none"},
    {"CheckHostIP", Kind::absent, "no|yes", "no"},
    {"Ciphers", Kind::algorithms},
    {"ClearAllForwardings", Kind::flag, {}, "no"},
    {"Compression", Kind::flag, {}, "no"},
    {"ConnectionAttempts", Kind::number, {}, "1"},
    {"ConnectTimeout", Kind::time, "none", "none"},
    {"ControlMaster", Kind::choice, "yes|true|no|false|auto|ask|autoask", "no"},
    {"ControlPath", Kind::text},
    {"ControlPersist", Kind::time, "yes|true|no|false", "no"},
    // Ours: an OpenSSL engine for the arithmetic of keys.
    {"CryptoEngine", Kind::text, {}, "none"},
    {"DynamicForward", Kind::forward},
    {"EnableEscapeCommandline", Kind::flag, {}, "no"},
    {"EnableSSHKeysign", Kind::absent, "no", "no"},
    {"EscapeChar", Kind::text, {}, "~"},
    {"ExitOnForwardFailure", Kind::flag, {}, "no"},
    {"FingerprintHash", Kind::choice, "sha256|md5", "SHA256"},
    {"ForkAfterAuthentication", Kind::flag, {}, "no"},
    {"ForwardAgent", Kind::text, {}, "no"},
    {"ForwardX11", Kind::flag, {}, "no"},
    {"ForwardX11Timeout", Kind::time, {}, "1200"},
    {"ForwardX11Trusted", Kind::flag, {}, "no"},
    {"GatewayPorts", Kind::flag, {}, "no"},
    {"GlobalKnownHostsFile", Kind::words, {}, "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"},
    // Distributions switch it on for everybody.
    {"GSSAPIAuthentication", Kind::absent, "no|yes", "no"},
    {"GSSAPIClientIdentity", Kind::absent, "none"},
    {"GSSAPIDelegateCredentials", Kind::absent, "no", "no"},
    {"GSSAPIKexAlgorithms", Kind::absent, "none"},
    {"GSSAPIKeyExchange", Kind::absent, "no", "no"},
    {"GSSAPIRenewalForcesRekey", Kind::absent, "no"},
    {"GSSAPIServerIdentity", Kind::absent, "none"},
    {"GSSAPITrustDns", Kind::absent, "no"},
    {"HashKnownHosts", Kind::flag, {}, "no"},
    {"HostbasedAcceptedAlgorithms", Kind::absent, "*"},
    {"HostbasedAuthentication", Kind::absent, "no", "no"},
    {"HostKeyAlgorithms", Kind::algorithms},
    {"HostKeyAlias", Kind::text},
    {"Hostname", Kind::text},
    {"IdentitiesOnly", Kind::flag, {}, "no"},
    {"IdentityAgent", Kind::text},
    {"IdentityFile", Kind::list},
    {"IPQoS", Kind::words, {}, "af21 cs1"},
    {"KbdInteractiveAuthentication", Kind::flag, {}, "yes"},
    {"KbdInteractiveDevices", Kind::absent, "none"},
    {"KexAlgorithms", Kind::algorithms},
    {"KnownHostsCommand", Kind::command, {}, "none"},
    {"LocalCommand", Kind::command},
    {"LocalForward", Kind::forward},
    {"LogLevel", Kind::choice, kLogLevels, "INFO"},
    {"LogVerbose", Kind::absent, "none", "none"},
    {"MACs", Kind::algorithms},
    {"NoHostAuthenticationForLocalhost", Kind::flag, {}, "no"},
    {"NumberOfPasswordPrompts", Kind::number, {}, "3"},
    {"ObscureKeystrokeTiming", Kind::absent, "no", "no"},
    {"PasswordAuthentication", Kind::flag, {}, "yes"},
    {"PermitLocalCommand", Kind::flag, {}, "no"},
    {"PermitRemoteOpen", Kind::words, {}, "any"},
    {"PKCS11Provider", Kind::absent, "none"},
    {"Port", Kind::port, {}, "22"},
    {"PortAddress", Kind::list},
    {"PortCapture", Kind::text},
    {"PortDevice", Kind::text},
    {"PortEalArguments", Kind::command},
    {"PortGateway", Kind::list},
    {"PortMtu", Kind::number, {}, "1500"},
    {"PreferredAuthentications", Kind::text},
    {"ProxyCommand", Kind::command},
    {"ProxyJump", Kind::text},
    {"ProxyUseFdpass", Kind::absent, "no", "no"},
    {"PubkeyAcceptedAlgorithms", Kind::algorithms},
    {"PubkeyAuthentication", Kind::choice, "yes|true|no|false|unbound|host-bound", "yes"},
    {"RekeyLimit", Kind::words, {}, "default none"},
    {"RemoteCommand", Kind::command},
    {"RemoteForward", Kind::forward},
    {"RequestTTY", Kind::choice, "yes|true|no|false|force|auto", "auto"},
    {"RequiredRSASize", Kind::number, {}, "1024"},
    {"RevokedHostKeys", Kind::text, {}, "none"},
    {"SecurityKeyProvider", Kind::absent, "internal|none|$SSH_SK_PROVIDER"},
    {"SendEnv", Kind::many},
    {"ServerAliveCountMax", Kind::number, {}, "3"},
    {"ServerAliveInterval", Kind::time, {}, "0"},
    {"SessionType", Kind::choice, "none|subsystem|default", "default"},
    {"SetEnv", Kind::many},
    {"StdinNull", Kind::flag, {}, "no"},
    {"StreamLocalBindMask", Kind::text, {}, "0177"},
    {"StreamLocalBindUnlink", Kind::flag, {}, "no"},
    {"StrictHostKeyChecking", Kind::choice, "yes|true|no|false|off|ask|accept-new", "ask"},
    {"SyslogFacility", Kind::choice, kFacilities, "USER"},
    {"Tag", Kind::text},
    {"TCPKeepAlive", Kind::flag, {}, "yes"},
    {"Tunnel", Kind::absent, "no", "no"},
    {"TunnelDevice", Kind::absent, "any:any", "any:any"},
    {"UpdateHostKeys", Kind::choice, "yes|true|no|false|ask", "yes"},
    {"User", Kind::text},
    {"UserKnownHostsFile", Kind::words, {}, "~/.ssh/known_hosts ~/.ssh/known_hosts2"},
    {"VerifyHostKeyDNS", Kind::absent, "no", "no"},
    {"VisualHostKey", Kind::flag, {}, "no"},
    {"XAuthLocation", Kind::text, {}, "/usr/bin/xauth"},
};

// Of protocol 1 and of what ssh_config(5) had once: files that say them are read on, by stock ssh too.
constexpr OptionRow kGoneRows[] = {
    {"AFSTokenPassing", Kind::absent, "no"},
    {"Cipher", Kind::absent, "blowfish|3des"},
    {"CompressionLevel", Kind::absent, "6"},
    {"FallbackToRsh", Kind::absent, "no"},
    {"KerberosAuthentication", Kind::absent, "no"},
    {"KerberosTGTPassing", Kind::absent, "no"},
    {"Protocol", Kind::absent, "2|2,1"},
    {"RhostsAuthentication", Kind::absent, "no"},
    {"RhostsRSAAuthentication", Kind::absent, "no"},
    {"RSAAuthentication", Kind::absent, "no|yes"},
    {"SmartcardDevice", Kind::absent, "none"},
    {"UsePrivilegedPort", Kind::absent, "no"},
    {"UseRoaming", Kind::absent, "no"},
    {"UseRsh", Kind::absent, "no"},
};

struct OldName {
  std::string_view old;
  std::string_view now;
};

constexpr OldName kOldNames[] = {{"identityfile2", "IdentityFile"},
                                 {"pubkeyacceptedkeytypes", "PubkeyAcceptedAlgorithms"},
                                 {"hostbasedkeytypes", "HostbasedAcceptedAlgorithms"},
                                 {"challengeresponseauthentication", "KbdInteractiveAuthentication"},
                                 {"skeyauthentication", "KbdInteractiveAuthentication"},
                                 {"tisauthentication", "KbdInteractiveAuthentication"},
                                 {"dsaauthentication", "PubkeyAuthentication"},
                                 {"globalknownhostsfile2", "GlobalKnownHostsFile"},
                                 {"userknownhostsfile2", "UserKnownHostsFile"},
                                 {"keepalive", "TCPKeepAlive"},
                                 {"hostbasedacceptedkeytypes", "HostbasedAcceptedAlgorithms"}};

bool is_flag(std::string_view word) { return word == "yes" || word == "true" || word == "no" || word == "false"; }

std::string words_in_text(std::string_view words) {
  std::string text(words);
  std::replace(text.begin(), text.end(), '|', ',');
  return text;
}

std::string objection_to_one(const OptionRow& row, const std::string& word) {
  const std::string quoted = std::string("'").append(printable(word)).append("'");
  switch (row.kind) {
    case Kind::flag: return is_flag(to_lower(word)) ? "" : "yes or no expected, not " + quoted;
    case Kind::choice: return has_choice(row.words, word) ? "" : quoted + " is none of " + words_in_text(row.words);
    case Kind::number: {
      long long n = -1;
      const auto read = std::from_chars(word.data(), word.data() + word.size(), n);
      return read.ec == std::errc() && read.ptr == word.data() + word.size() && n >= 0 && n <= INT32_MAX
                 ? ""
                 : "a number expected, not " + quoted;
    }
    case Kind::port: {
      unsigned n = 0;
      const auto read = std::from_chars(word.data(), word.data() + word.size(), n);
      return read.ec == std::errc() && read.ptr == word.data() + word.size() && n >= 1 && n <= 65535
                 ? ""
                 : "a port expected, not " + quoted;
    }
    case Kind::time:
      return has_choice(row.words, word) || seconds_of(word) >= 0 ? "" : "a time expected, not " + quoted;
    default: return "";
  }
}

}  // namespace

bool has_choice(std::string_view words, std::string_view word) {
  const std::string lower = to_lower(word);
  while (!words.empty()) {
    const size_t bar = words.find('|');
    if (to_lower(words.substr(0, bar)) == lower) return true;
    words = bar == std::string_view::npos ? std::string_view() : words.substr(bar + 1);
  }
  return false;
}

std::span<const OptionRow> option_rows() { return kRows; }

const OptionRow* find_option(std::string_view name) {
  std::string lower = to_lower(name);
  for (const OldName& old : kOldNames) {
    if (old.old == lower) lower = to_lower(old.now);
  }
  const auto is_it = [&](const OptionRow& row) { return to_lower(row.name) == lower; };
  if (const auto found = std::find_if(std::begin(kRows), std::end(kRows), is_it); found != std::end(kRows))
    return found;
  const auto gone = std::find_if(std::begin(kGoneRows), std::end(kGoneRows), is_it);
  return gone == std::end(kGoneRows) ? nullptr : gone;
}

std::string objection_to(const OptionRow& row, const std::vector<std::string>& words) {
  if (words.empty()) return "a value is missing";
  if (row.kind == Kind::forward || row.kind == Kind::words || row.kind == Kind::many || row.kind == Kind::command ||
      row.kind == Kind::absent) {
    return "";
  }
  if (words.size() > 1) return "one value expected, '" + printable(words[1]) + "' is one too many";
  return objection_to_one(row, words.front());
}

long long seconds_of(std::string_view text) {
  constexpr long long kMost = INT32_MAX;
  long long sum = 0;
  if (text.empty()) return -1;
  while (!text.empty()) {
    long long n = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), n);
    if (read.ec != std::errc() || n < 0 || n > kMost) return -1;
    text.remove_prefix(static_cast<size_t>(read.ptr - text.data()));
    long long unit = 1;
    if (!text.empty()) {
      switch (text.front()) {
        case 's':
        case 'S': unit = 1; break;
        case 'm':
        case 'M': unit = 60; break;
        case 'h':
        case 'H': unit = 3600; break;
        case 'd':
        case 'D': unit = 86400; break;
        case 'w':
        case 'W': unit = 604800; break;
        default: return -1;
      }
      text.remove_prefix(1);
    }
    sum += n * unit;
    if (sum > kMost) return -1;
  }
  return sum;
}

long long bytes_of_size(std::string_view text) {
  unsigned long long n = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), n);
  if (read.ec != std::errc() || read.ptr == text.data()) return -1;
  text.remove_prefix(static_cast<size_t>(read.ptr - text.data()));
  unsigned shift = 0;
  if (text.size() > 1) return -1;
  if (text.size() == 1) {
    switch (text.front()) {
      case 'k':
      case 'K': shift = 10; break;
      case 'm':
      case 'M': shift = 20; break;
      case 'g':
      case 'G': shift = 30; break;
      default: return -1;
    }
  }
  if (n > (uint64_t{1} << 62 >> shift)) return -1;
  return static_cast<long long>(n << shift);
}

}  // namespace sluice
