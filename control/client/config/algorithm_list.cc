// Names against tables.
#include "control/client/config/algorithm_list.h"

#include <algorithm>

#include "control/keys/certificate.h"
#include "control/keys/name_patterns.h"
#include "control/keys/words.h"
#include "control/transport/transport_machine.h"

namespace sluice {
namespace {

template <class Rows, class Name>
NameList names_of(const Rows& rows, Name name) {
  NameList names;
  for (const auto& row : rows) names.emplace_back(name(row));
  return names;
}

bool has(const NameList& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Others have these: in a file that is theirs too such a name is no mistake.
constexpr std::string_view kOfOthers[] = {
    "umac-*",    "gss-*",           "rijndael-cbc@lysator.liu.se", "arcfour*", "blowfish-*",
    "cast128-*", "hmac-ripemd160*", "sntrup4591761x25519-*"};

bool is_of_others(AlgorithmFamily family, std::string_view name) {
  if (family >= AlgorithmFamily::host_keys) return true;
  if (name.find_first_of("*?") != std::string_view::npos) return true;
  return std::any_of(std::begin(kOfOthers), std::end(kOfOthers),
                     [&](std::string_view pattern) { return matches_pattern(name, pattern); });
}

std::string_view word_of(AlgorithmFamily family) {
  switch (family) {
    case AlgorithmFamily::kex: return "key exchange method";
    case AlgorithmFamily::ciphers: return "cipher";
    case AlgorithmFamily::macs: return "MAC";
    default: return "key algorithm";
  }
}

}  // namespace

NameList all_algorithms(AlgorithmFamily family) {
  switch (family) {
    case AlgorithmFamily::kex: return names_of(kex_methods(), [](const KexMethod& row) { return row.name; });
    case AlgorithmFamily::ciphers: return names_of(cipher_rows(), [](const CipherRow& row) { return row.ssh_name; });
    case AlgorithmFamily::macs: return names_of(mac_rows(), [](const MacRow& row) { return row.ssh_name; });
    default: break;
  }
  NameList names = names_of(all_signature_algorithms(), [](const SignatureAlgorithm& row) { return row.name; });
  if (family == AlgorithmFamily::authorities) return names;
  for (const CertificateAlgorithm& row : all_certificate_algorithms()) names.emplace_back(row.name);
  return names;
}

NameList default_algorithms(AlgorithmFamily family) {
  const TransportConfig config = default_transport_config(Role::client);
  switch (family) {
    case AlgorithmFamily::kex: return config.kex;
    case AlgorithmFamily::ciphers: return config.ciphers;
    case AlgorithmFamily::macs: return config.macs;
    default: break;
  }
  NameList names = config.host_keys;
  if (family == AlgorithmFamily::authorities) return names;
  for (const CertificateAlgorithm& row : all_certificate_algorithms()) {
    if (find_signature_algorithm(row.plain)->on_by_default) names.emplace_back(row.name);
  }
  return names;
}

ResultOrText<NameList> choose_algorithms(AlgorithmFamily family, std::string_view spec) {
  const NameList all = all_algorithms(family);
  NameList defaults = default_algorithms(family);
  if (spec.empty()) return defaults;
  const char change = spec.front();
  const bool changes = change == '+' || change == '-' || change == '^';
  if (changes) spec.remove_prefix(1);
  if (change == '-') {
    std::erase_if(defaults,
                  [&](const std::string& name) { return match_pattern_list(name, spec) == PatternVerdict::match; });
    if (defaults.empty()) return fail("no " + std::string(word_of(family)) + " is left");
    return defaults;
  }
  NameList named;
  std::string unknown;
  for_each_part(spec, [&](std::string_view pattern) {
    bool found = false;
    for (const std::string& name : all) {
      if (!matches_pattern(name, pattern)) continue;
      found = true;
      if (!has(named, name)) named.push_back(name);
    }
    if (!found && unknown.empty() && !is_of_others(family, pattern)) unknown = printable(pattern);
  });
  if (!unknown.empty()) {
    return fail("unknown " + std::string(word_of(family)) + " '" + unknown + "'; known are " + join_names(all));
  }
  if (named.empty() && !changes) {
    return fail("no " + std::string(word_of(family)) + " of ours in '" + printable(spec) + "'; known are " +
                join_names(all));
  }
  if (!changes) return named;
  NameList result = change == '+' ? defaults : named;
  for (const std::string& name : change == '+' ? named : defaults) {
    if (!has(result, name)) result.push_back(name);
  }
  return result;
}

}  // namespace sluice
