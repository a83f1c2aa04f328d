// The kinds of values as const data: names, algorithms, addresses, paths, texts.
#include <net/if.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "control/auth/auth_messages.h"
#include "control/config/value_kind.h"
#include "control/kex/kex_method.h"
#include "control/keys/host_key_store.h"
#include "control/keys/key_type.h"
#include "control/keys/name_patterns.h"
#include "crypto_offload/cipher_suite.h"

namespace sluice {
namespace {

using Kept = std::optional<std::string>;
using Names = std::vector<std::string_view>;

// Above any banner that a person reads, and sent to every stranger who connects.
constexpr size_t kMaxText = 8 * 1024;
constexpr size_t kMaxHostName = 253;
constexpr unsigned kMaxCores = 1024;

constexpr std::array<std::string_view, 6> kDelimiters{"^C", "#", "%", "~", "@", "|"};

struct HostKeyWord {
  std::string_view word;
  std::array<std::string_view, 3> algorithms;  // the first of them is another spelling of the word, but for rsa
};

// In the words of the routers. Certificates have no algorithm before there are trustpoints.
constexpr std::array kHostKeyWords{
    HostKeyWord{"ed25519", {"ssh-ed25519"}},
    HostKeyWord{"ecdsa-nistp256", {"ecdsa-sha2-nistp256"}},
    HostKeyWord{"ecdsa-nistp384", {"ecdsa-sha2-nistp384"}},
    HostKeyWord{"ecdsa-nistp521", {"ecdsa-sha2-nistp521"}},
    HostKeyWord{"rsa", {"rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"}},
    HostKeyWord{"rsa-sha2-512", {"rsa-sha2-512"}},
    HostKeyWord{"rsa-sha2-256", {"rsa-sha2-256"}},
    HostKeyWord{"ssh-rsa", {"ssh-rsa"}},
    HostKeyWord{"dsa", {"ssh-dss"}},
    HostKeyWord{"x509v3-ssh-rsa", {}},
};

Kept word_of(std::string_view text, size_t most) {
  if (text.empty() || text.size() > most) return std::nullopt;
  for (const char c : text)
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) return std::nullopt;
  return std::string(text);
}

Kept check_name(std::string_view text) { return word_of(text, kMaxName); }
Kept check_vrf(std::string_view text) { return word_of(text, kMaxVrfName); }
Kept check_pattern(std::string_view text) { return word_of(text, 512); }

Kept check_user(std::string_view text) {
  // What stands in front of a command's next word could be taken for an option by whoever gets the name.
  if (text.starts_with('-')) return std::nullopt;
  return word_of(text, kMaxUserName);
}

// Options stand in front of hosts.
Kept check_remote(std::string_view text) { return text.starts_with('-') ? std::nullopt : word_of(text, kMaxHostName); }

Kept check_host_name(std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
           c == '_';
  });
  return plain && !text.starts_with('-') && !text.starts_with('.') ? word_of(text, kMaxHostName) : std::nullopt;
}

Kept check_label(std::string_view text) { return valid_key_label(text) ? Kept(text) : std::nullopt; }

Kept check_address(std::string_view text) { return Address::parse(text) ? word_of(text, 64) : std::nullopt; }

Kept check_network(std::string_view text) {
  return Address::parse(text) || AddressRange::parse(text) ? word_of(text, 64) : std::nullopt;
}

// A host's address and how much of it names its network: neither part may be missing.
Kept check_interface(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view address = text.substr(0, slash);
  const std::string_view digits = text.substr(slash + 1);
  const bool v6 = address.find(':') != std::string_view::npos;
  unsigned bits = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  if (!Address::parse(address) || error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return bits > 0 && bits <= (v6 ? 128u : 32u) ? word_of(text, 64) : std::nullopt;
}

Kept check_source(std::string_view text) { return text == "any" ? Kept(text) : check_network(text); }

Kept check_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text == "any") return Kept(text);
  if (error != std::errc() || end != text.data() + text.size() || port == 0 || port > 65535) return std::nullopt;
  return std::to_string(port);
}

Kept check_line(std::string_view text) {
  if (text.empty() || text.size() > kMaxValue) return std::nullopt;
  for (const char c : text)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) return std::nullopt;
  return std::string(text);
}

Kept check_path(std::string_view text) {
  constexpr size_t kMaxPath = 4095;
  return text.starts_with('/') && text.size() <= kMaxPath ? check_line(text) : std::nullopt;
}

// A path, or as the routers write it: a device, a colon, a path on it.
Kept check_file(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view path =
      colon == std::string_view::npos || text.starts_with('/') ? text : text.substr(colon + 1);
  return text.starts_with(':') || !check_path(path) ? std::nullopt : word_of(text, 512);
}

Kept check_text(std::string_view text) {
  if (text.empty() || text.size() > kMaxText || delimiter_for(text).empty()) return std::nullopt;
  for (const char c : text)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n') || c == 0x7f) return std::nullopt;
  return std::string(text);
}

Kept check_block(std::string_view text) { return text.empty() || text.size() > kMaxValue ? std::nullopt : Kept(text); }

Kept check_umask(std::string_view text) {
  unsigned mask = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mask, 8);
  if (error != std::errc() || end != text.data() + text.size() || mask > 0777) return std::nullopt;
  const std::string digits{char('0' + mask / 64), char('0' + mask / 8 % 8), char('0' + mask % 8)};
  return "0" + digits;
}

Kept check_hash(std::string_view text) {
  const bool digits = text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
  std::string upper(text);
  for (char& c : upper)
    if (c >= 'a') c = static_cast<char>(c - 'a' + 'A');
  // MD5 as the routers print it.
  if (digits && text.size() == 32) return upper;
  // Otherwise the name of a key, as the routers' guides write it; it is kept.
  return check_name(text);
}

Kept check_cores(std::string_view text) { return core_numbers(text).empty() ? std::nullopt : word_of(text, 256); }

bool is_method(std::string_view word) {
  return word == "publickey" || word == "keyboard-interactive" || word == "password";
}

Kept check_way(std::string_view text) {
  bool good = !text.empty();
  for_each_part(text, [&](std::string_view part) { good = good && is_method(part); });
  return good ? word_of(text, 128) : std::nullopt;
}

// The routers' words beside RFC 4252's.
Kept check_method(std::string_view text) {
  if (text == "public-key") return "publickey";
  if (text == "keyboard") return "keyboard-interactive";
  return is_method(text) ? Kept(text) : std::nullopt;
}

Names method_names() { return {"publickey", "keyboard-interactive", "password"}; }

Names key_algorithm_names() {
  Names names;
  for (const SignatureAlgorithm& row : all_signature_algorithms()) names.push_back(row.name);
  // Of certificates, which come with trustpoints.
  names.insert(names.end(), {"x509v3-ssh-rsa", "x509v3-ecdsa-sha2-nistp256", "x509v3-ecdsa-sha2-nistp384",
                             "x509v3-ecdsa-sha2-nistp521"});
  return names;
}

std::vector<std::string> interface_names() {
  std::vector<std::string> names;
  struct if_nameindex* all = ::if_nameindex();
  for (const struct if_nameindex* one = all; one && one->if_index != 0; ++one) names.emplace_back(one->if_name);
  if (all) ::if_freenameindex(all);
  return names;
}

Names kex_names() {
  Names names;
  for (const KexMethod& method : kex_methods()) names.push_back(method.name);
  return names;
}

Names cipher_names() {
  Names names;
  for (const CipherRow& row : cipher_rows()) names.push_back(row.ssh_name);
  return names;
}

Names mac_names() {
  Names names;
  for (const MacRow& row : mac_rows()) names.push_back(row.ssh_name);
  return names;
}

Names host_key_names() {
  Names names;
  for (const HostKeyWord& row : kHostKeyWords) names.push_back(row.word);
  return names;
}

Kept one_of(const Names& names, std::string_view text) {
  return std::find(names.begin(), names.end(), text) == names.end() ? std::nullopt : Kept(text);
}

Kept check_kex(std::string_view text) { return one_of(kex_names(), text); }
Kept check_key_algorithm(std::string_view text) { return one_of(key_algorithm_names(), text); }
Kept check_cipher(std::string_view text) { return one_of(cipher_names(), text); }
Kept check_mac(std::string_view text) { return one_of(mac_names(), text); }

Kept check_host_key(std::string_view text) {
  if (text == "ssh-dsa") text = "ssh-dss";
  if (text == "x509-ssh-rsa") text = "x509v3-ssh-rsa";
  for (const HostKeyWord& row : kHostKeyWords)
    if (row.word == text) return std::string(text);
  for (const HostKeyWord& row : kHostKeyWords)
    if (row.algorithms[0] == text) return std::string(row.word);
  return std::nullopt;
}

// As the routers help with a host.
constexpr std::array kRemoteForms{ValueForm{"A.B.C.D", "IPv4 (A.B.C.D) address"},
                                  ValueForm{"WORD", "Hostname of the remote node"},
                                  ValueForm{"X:X::X", "IPv6 (A:B:C:D...:D) address"}};

constexpr auto kWord = ValueExtent::word;
constexpr auto kRest = ValueExtent::rest_of_line;

constexpr std::array kKinds{
    ValueKind{"NAME", kWord, "a name of at most 64 characters", check_name, nullptr},
    ValueKind{"VRF", kWord, "a name of at most 32 characters", check_vrf, nullptr},
    ValueKind{"REMOTE", kWord, "a host's name or address", check_remote, nullptr, nullptr, kRemoteForms},
    ValueKind{"USER", kWord, "a user's name", check_user, nullptr},
    ValueKind{"PATTERN", kWord, "a name with * and ? for any characters and any one", check_pattern, nullptr},
    ValueKind{"HOSTNAME", kWord, "a host's or a domain's name", check_host_name, nullptr},
    ValueKind{"LABEL", kWord, "the label of a key pair", check_label, nullptr},
    ValueKind{"ADDRESS", kWord, "an IPv4 or IPv6 address", check_address, nullptr},
    ValueKind{"NETWORK", kWord, "an address, or a network as 10.0.0.0/8 or 2001:db8::/32", check_network, nullptr},
    ValueKind{"PREFIX", kWord, "an address with its prefix, as 192.0.2.1/24 or 2001:db8::1/64", check_interface,
              nullptr},
    ValueKind{"SOURCE", kWord, "an address, a network, or any", check_source, nullptr},
    ValueKind{"PORT", kWord, "<1-65535> or any", check_port, nullptr},
    ValueKind{"UMASK", kWord, "an octal number up to 0777", check_umask, nullptr},
    ValueKind{"CORES", kWord, "numbers of cores as 0-3,6", check_cores, nullptr},
    ValueKind{"HASH", kWord, "an MD5 hash in 32 hexadecimal digits, or a name", check_hash, nullptr},
    ValueKind{"WAY", kWord, "methods to be passed one after the other, as publickey,password", check_way, nullptr},
    ValueKind{"METHOD", kWord, "a way to log in", check_method, method_names},
    ValueKind{"KEX", kWord, "a key exchange method", check_kex, kex_names},
    ValueKind{"CIPHER", kWord, "a cipher", check_cipher, cipher_names},
    ValueKind{"MAC", kWord, "a message authentication code", check_mac, mac_names},
    ValueKind{"HOSTKEY", kWord, "a kind of host key", check_host_key, host_key_names},
    ValueKind{"KEYALG", kWord, "an algorithm of users' signatures", check_key_algorithm, key_algorithm_names},
    ValueKind{"INTERFACE", kWord, "an interface, or its type", check_name, nullptr, interface_names},
    ValueKind{"INSTANCE", kWord, "an interface's instance, as 0/RP0/CPU0/0", check_name, nullptr},
    ValueKind{"FILE", kWord, "a path from /, or DEVICE:/PATH", check_file, nullptr},
    ValueKind{"PATH", kRest, "a path from /", check_path, nullptr},
    ValueKind{"LINE", kRest, "the rest of the line", check_line, nullptr},
    ValueKind{"TEXT", ValueExtent::delimited, "a text between two delimiters, over several lines", check_text, nullptr},
    ValueKind{"BLOCK", ValueExtent::block, "the lines below, to one that says exit", check_block, nullptr},
};

}  // namespace

std::string_view delimiter_for(std::string_view text) {
  for (const std::string_view delimiter : kDelimiters)
    if (text.find(delimiter) == std::string_view::npos) return delimiter;
  return {};
}

// Empty where it is no list of ranges as "0-3,6".
std::vector<unsigned> core_numbers(std::string_view text) {
  std::vector<unsigned> cores;
  bool good = true;
  for_each_part(text, [&](std::string_view part) {
    unsigned first = 0, last = 0;
    const char* stop = part.data() + part.size();
    auto read = std::from_chars(part.data(), stop, first);
    last = first;
    if (read.ec == std::errc() && read.ptr != stop && *read.ptr == '-')
      read = std::from_chars(read.ptr + 1, stop, last);
    good = good && read.ec == std::errc() && read.ptr == stop && first <= last && last < kMaxCores;
    for (unsigned core = first; good && core <= last; ++core) cores.push_back(core);
  });
  return good ? cores : std::vector<unsigned>();
}

std::vector<std::string_view> host_key_algorithms(std::string_view command_word) {
  std::vector<std::string_view> names;
  for (const HostKeyWord& row : kHostKeyWords) {
    if (row.word != command_word) continue;
    for (const std::string_view name : row.algorithms)
      if (!name.empty()) names.push_back(name);
  }
  return names;
}

const ValueKind* find_value_kind(std::string_view name) {
  const auto found =
      std::find_if(kKinds.begin(), kKinds.end(), [&](const ValueKind& kind) { return kind.name == name; });
  return found == kKinds.end() ? nullptr : &*found;
}

}  // namespace sluice
