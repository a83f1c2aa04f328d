// What is taken away from the defaults.
#include "control/transport/crypto_policy.h"

#include <algorithm>

namespace sluice {
namespace {

constexpr unsigned kModernModulus = 3072;

template <class Drop>
void drop_names(NameList& names, Drop drop) {
  names.erase(std::remove_if(names.begin(), names.end(), drop), names.end());
}

}  // namespace

TransportConfig transport_config(Role role, CryptoPolicy policy) {
  TransportConfig config = default_transport_config(role);
  if (policy == CryptoPolicy::standard) return config;
  drop_names(config.kex, [](const std::string& name) {
    return name.starts_with("ecdh-sha2-nistp") || name == "diffie-hellman-group14-sha256";
  });
  config.kex_options.min_modulus = std::max(config.kex_options.min_modulus, kModernModulus);
  config.host_keys = config.signature_algorithms;
  drop_names(config.host_keys, [](const std::string& name) { return name.find("ecdsa-sha2-nistp") != name.npos; });
  return config;
}

}  // namespace sluice
