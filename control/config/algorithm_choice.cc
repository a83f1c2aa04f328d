// Defaults of each platform as its devices show them, then what the configuration changes.
#include "control/config/algorithm_choice.h"

#include <algorithm>
#include <span>

#include "control/config/server_config.h"
#include "control/config/value_kind.h"

namespace sluice {
namespace {

using Names = std::span<const std::string_view>;

constexpr std::string_view kXrKex[] = {"ecdh-sha2-nistp521",
                                       "ecdh-sha2-nistp384",
                                       "ecdh-sha2-nistp256",
                                       "diffie-hellman-group14-sha1",
                                       "curve25519-sha256",
                                       "diffie-hellman-group14-sha256",
                                       "diffie-hellman-group16-sha512",
                                       "curve25519-sha256@libssh.org"};
constexpr std::string_view kXrCiphers[] = {"aes128-ctr",
                                           "aes192-ctr",
                                           "aes256-ctr",
                                           "aes128-gcm@openssh.com",
                                           "aes256-gcm@openssh.com",
                                           "chacha20-poly1305@openssh.com"};
constexpr std::string_view kXrMacs[] = {"hmac-sha2-512", "hmac-sha2-256", "hmac-sha1"};
constexpr std::string_view kXrHostKeys[] = {"ecdsa-sha2-nistp521",
                                            "ecdsa-sha2-nistp384",
                                            "ecdsa-sha2-nistp256",
                                            "rsa-sha2-512",
                                            "rsa-sha2-256",
                                            "ssh-rsa",
                                            "ssh-dss",
                                            "ssh-ed25519"};

// A client of today knows none of what IOS shows first. The client's order decides, so more at the end costs nobody.
constexpr std::string_view kIosKex[] = {"diffie-hellman-group-exchange-sha1",
                                        "diffie-hellman-group14-sha1",
                                        "diffie-hellman-group-exchange-sha256",
                                        "diffie-hellman-group14-sha256",
                                        "diffie-hellman-group16-sha512",
                                        "ecdh-sha2-nistp256",
                                        "ecdh-sha2-nistp384",
                                        "ecdh-sha2-nistp521",
                                        "curve25519-sha256",
                                        "curve25519-sha256@libssh.org"};
constexpr std::string_view kIosCiphers[] = {"aes128-ctr", "aes192-ctr", "aes256-ctr", "aes128-gcm@openssh.com",
                                            "aes256-gcm@openssh.com"};
constexpr std::string_view kIosMacs[] = {"hmac-sha2-256", "hmac-sha2-512", "hmac-sha1", "hmac-sha1-96"};
constexpr std::string_view kIosHostKeys[] = {"rsa-sha2-512",        "rsa-sha2-256",        "ssh-rsa",
                                             "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
                                             "ssh-ed25519"};

constexpr std::string_view kModernKex[] = {"mlkem768x25519-sha256", "sntrup761x25519-sha512",
                                           "sntrup761x25519-sha512@openssh.com", "curve25519-sha256",
                                           "curve25519-sha256@libssh.org"};
constexpr std::string_view kModernCiphers[] = {"aes128-gcm@openssh.com", "aes256-gcm@openssh.com",
                                               "chacha20-poly1305@openssh.com", "aes256-ctr"};
constexpr std::string_view kModernMacs[] = {"hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"};
// What ssh-audit finds nothing in. A user's key may still be of a NIST curve: many security keys are.
constexpr std::string_view kModernHostKeys[] = {"ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256"};

// Smaller fields are those of elliptic curves.
constexpr unsigned kLeastModulus = 768;

NameList copy(Names names) { return {names.begin(), names.end()}; }

void add_new(NameList& names, std::string_view name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.emplace_back(name);
}

ChosenAlgorithms defaults_of(const ServerConfig& config) {
  if (config.algorithms.policy == CryptoPolicy::modern)
    return {copy(kModernKex), copy(kModernHostKeys), copy(kModernCiphers), copy(kModernMacs)};
  if (config.platform == Platform::ios_xr) return {copy(kXrKex), copy(kXrHostKeys), copy(kXrCiphers), copy(kXrMacs)};
  if (config.platform == Platform::ios) return {copy(kIosKex), copy(kIosHostKeys), copy(kIosCiphers), copy(kIosMacs)};
  const TransportConfig own = default_transport_config(Role::server);
  NameList host_keys;
  for (const SignatureAlgorithm& row : all_signature_algorithms())
    if (row.on_by_default && !row_of(row.key_type).on_authenticator) host_keys.emplace_back(row.name);
  return {own.kex, host_keys, own.ciphers, own.macs};
}

void enable_cbc(const AlgorithmSettings& settings, NameList& ciphers) {
  for (const CipherRow& row : cipher_rows()) {
    if (settings.aes_cbc && row.kind == CipherKind::aes_cbc) add_new(ciphers, row.ssh_name);
    if (settings.des3_cbc && row.kind == CipherKind::des3_cbc) add_new(ciphers, row.ssh_name);
  }
}

// With a name goes its form that encrypts first: it is the same function.
void disable_macs(const std::vector<std::string>& disabled, NameList& macs) {
  for (const std::string& name : disabled)
    std::erase_if(macs, [&](const std::string& mac) { return mac == name || mac == name + "-etm@openssh.com"; });
}

void drop_small_groups(unsigned min_bits, NameList& kex) {
  std::erase_if(kex, [&](const std::string& name) {
    const KexMethod* method = find_kex_method(name);
    return method && method->size_bits >= kLeastModulus && method->size_bits < min_bits;
  });
}

}  // namespace

ChosenAlgorithms choose_algorithms(const ServerConfig& config) {
  const AlgorithmSettings& settings = config.algorithms;
  ChosenAlgorithms chosen = defaults_of(config);
  if (!settings.kex.empty()) chosen.kex = settings.kex;
  if (!settings.ciphers.empty()) chosen.ciphers = settings.ciphers;
  if (!settings.macs.empty()) chosen.macs = settings.macs;
  if (!settings.host_keys.empty()) {
    chosen.host_keys.clear();
    for (const std::string& word : settings.host_keys) {
      for (const std::string_view name : host_key_algorithms(word)) {
        // "rsa" means what is safe of it; SHA-1 is for who says ssh-rsa, and for the platforms that have it anyway.
        if (word == "rsa" && name == "ssh-rsa" && config.platform == Platform::sluice) continue;
        add_new(chosen.host_keys, name);
      }
    }
  }
  enable_cbc(settings, chosen.ciphers);
  disable_macs(settings.disabled_macs, chosen.macs);
  drop_small_groups(settings.min_dh_bits, chosen.kex);
  chosen.sha1_host_keys = std::any_of(chosen.host_keys.begin(), chosen.host_keys.end(),
                                      [](const std::string& name) { return name == "ssh-rsa" || name == "ssh-dss"; });
  return chosen;
}

TransportConfig server_transport_config(const ServerConfig& config) {
  TransportConfig transport = default_transport_config(Role::server);
  ChosenAlgorithms chosen = choose_algorithms(config);
  transport.kex = std::move(chosen.kex);
  transport.host_keys = std::move(chosen.host_keys);
  transport.ciphers = std::move(chosen.ciphers);
  transport.macs = std::move(chosen.macs);
  // Those of X.509 certificates, which there are none of yet, are left out.
  if (!config.login.key_algorithms.empty()) {
    transport.signature_algorithms.clear();
    for (const std::string& name : config.login.key_algorithms)
      if (find_signature_algorithm(name)) transport.signature_algorithms.push_back(name);
  }
  // Below 1024 bits there are no groups any more, whatever is allowed.
  constexpr unsigned kLeastGroup = 1024;
  KexOptions& options = transport.kex_options;
  options.min_modulus = std::max(config.algorithms.min_dh_bits, kLeastGroup);
  options.preferred_modulus = std::max(options.preferred_modulus, options.min_modulus);
  return transport;
}

}  // namespace sluice
