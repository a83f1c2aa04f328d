// Parsing certificates, and the reasons for which one is not accepted.
#include "control/keys/certificate.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "base/plain_text.h"
#include "base/wire.h"
#include "control/keys/base64.h"
#include "control/keys/fingerprint.h"
#include "control/keys/name_patterns.h"
#include "control/keys/words.h"

namespace sluice {
namespace {

constexpr std::array kAlgorithms{
    CertificateAlgorithm{"ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com"},
    CertificateAlgorithm{"ecdsa-sha2-nistp256-cert-v01@openssh.com", "ecdsa-sha2-nistp256",
                         "ecdsa-sha2-nistp256-cert-v01@openssh.com"},
    CertificateAlgorithm{"ecdsa-sha2-nistp384-cert-v01@openssh.com", "ecdsa-sha2-nistp384",
                         "ecdsa-sha2-nistp384-cert-v01@openssh.com"},
    CertificateAlgorithm{"ecdsa-sha2-nistp521-cert-v01@openssh.com", "ecdsa-sha2-nistp521",
                         "ecdsa-sha2-nistp521-cert-v01@openssh.com"},
    CertificateAlgorithm{"sk-ssh-ed25519-cert-v01@openssh.com", "sk-ssh-ed25519@openssh.com",
                         "sk-ssh-ed25519-cert-v01@openssh.com"},
    CertificateAlgorithm{"sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
                         "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com"},
    CertificateAlgorithm{"rsa-sha2-512-cert-v01@openssh.com", "rsa-sha2-512", "ssh-rsa-cert-v01@openssh.com"},
    CertificateAlgorithm{"rsa-sha2-256-cert-v01@openssh.com", "rsa-sha2-256", "ssh-rsa-cert-v01@openssh.com"},
    CertificateAlgorithm{"ssh-rsa-cert-v01@openssh.com", "ssh-rsa", "ssh-rsa-cert-v01@openssh.com"},
};

// The row whose format a blob names, with its key type.
const KeyTypeRow* type_of_format(std::string_view format) {
  for (const CertificateAlgorithm& row : kAlgorithms) {
    if (row.format != format) continue;
    const SignatureAlgorithm* plain = find_signature_algorithm(row.plain);
    return plain ? &row_of(plain->key_type) : nullptr;
  }
  return nullptr;
}

// Of the key's own fields, each of which is a string or an mpint: their count, which certificates have behind the
// nonce.
size_t fields_of(KeyType type) {
  const KeyTypeRow& row = row_of(type);
  if (type == KeyType::rsa) return 2;
  return 1 + (row.curve ? 1u : 0u) + (row.on_authenticator ? 1u : 0u);
}

bool take_names(Bytes packed, size_t most, std::vector<std::string>& into) {
  WireReader in(packed);
  while (in.ok() && !in.at_end()) {
    if (into.size() == most) return false;
    into.emplace_back(in.text());
  }
  return in.ok();
}

bool take_options(Bytes packed, std::vector<CertificateOption>& into) {
  WireReader in(packed);
  while (in.ok() && !in.at_end()) {
    if (into.size() == kMaxCertificateOptions) return false;
    std::string name(in.text());
    const Bytes value = in.string();
    into.push_back({std::move(name), {value.begin(), value.end()}});
  }
  return in.ok();
}

std::string day_and_time(uint64_t seconds) {
  const auto when = static_cast<std::time_t>(std::min<uint64_t>(seconds, 253402300799));  // the year 9999
  std::tm local{};
  char text[32];
  ::localtime_r(&when, &local);
  return std::strftime(text, sizeof text, "%F %T", &local) > 0 ? text : "?";
}

std::string shown(std::string_view text, size_t most) { return log_text(text.substr(0, most)); }

std::string listed(const std::vector<std::string>& names) {
  constexpr size_t kShown = 8;
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) text.append(i ? ", " : "").append(shown(names[i], 64));
  if (names.size() > kShown) text.append(", ...");
  return text;
}

}  // namespace

std::span<const CertificateAlgorithm> all_certificate_algorithms() { return kAlgorithms; }

const CertificateAlgorithm* find_certificate_algorithm(std::string_view name) {
  const auto found =
      std::find_if(kAlgorithms.begin(), kAlgorithms.end(), [&](const auto& row) { return row.name == name; });
  return found == kAlgorithms.end() ? nullptr : &*found;
}

std::string_view certified_name(std::string_view plain) {
  for (const CertificateAlgorithm& row : kAlgorithms)
    if (row.plain == plain) return row.name;
  return {};
}

bool is_certificate(Bytes blob) { return type_of_format(WireReader(blob).text()) != nullptr; }

KeyResult<Certificate> Certificate::parse(Bytes from, const KeyLimits& limits) {
  if (from.size() > kMaxCertificateBlob) return fail(KeyError::key_too_long);
  WireReader in(from);
  const KeyTypeRow* type = type_of_format(in.text());
  if (!type) return fail(KeyError::unknown_type);
  (void)in.string();  // the nonce
  WireWriter plain;
  plain.string(type->name);
  for (size_t i = fields_of(type->type); i > 0; --i) plain.string(in.string());
  if (!in.ok()) return fail(KeyError::malformed);
  auto key = PublicKey::parse(plain.view(), limits);
  if (!key) return fail(key.error());

  const uint64_t serial = in.u64();
  const uint32_t kind = in.u32();
  const std::string_view id = in.text();
  const Bytes principals = in.string();
  const uint64_t after = in.u64(), before = in.u64();
  const Bytes critical = in.string(), extensions = in.string();
  (void)in.string();  // reserved
  const Bytes authority_blob = in.string();
  if (!in.ok()) return fail(KeyError::malformed);
  const Bytes signed_part = from.first(from.size() - in.rest().size());
  const Bytes signature = in.string();
  if (!in.ok()) return fail(KeyError::malformed);
  if (!in.at_end()) return fail(KeyError::trailing_bytes);
  if (kind != 1 && kind != 2) return fail(KeyError::unsupported);
  // A chain of certificates is not part of the format: an authority is a plain key.
  auto authority = PublicKey::parse(authority_blob, limits);
  if (!authority) return fail(authority.error());
  const std::string_view algorithm = WireReader(signature).text();
  if (auto good = authority->verify(signature, algorithm, signed_part); !good) return fail(good.error());

  Certificate out{.blob = {from.begin(), from.end()},
                  .key = std::move(*key),
                  .authority = std::move(*authority),
                  .signature_algorithm = std::string(algorithm),
                  .kind = static_cast<CertificateKind>(kind),
                  .serial = serial,
                  .id = std::string(id),
                  .principals = {},
                  .valid_after = after,
                  .valid_before = before,
                  .critical_options = {},
                  .extensions = {}};
  if (!take_names(principals, kMaxPrincipals, out.principals) || !take_options(critical, out.critical_options) ||
      !take_options(extensions, out.extensions)) {
    return fail(KeyError::malformed);
  }
  return out;
}

KeyResult<Certificate> parse_certificate_line(std::string_view line, const KeyLimits& limits) {
  std::string_view rest = trimmed(line, kWhite);
  const std::string_view format = take_word(rest);
  if (!type_of_format(format)) return fail(KeyError::unknown_type);
  const auto blob = base64_decode(take_word(rest));
  if (!blob) return fail(KeyError::malformed);
  if (WireReader(*blob).text() != format) return fail(KeyError::malformed);
  return Certificate::parse(*blob, limits);
}

std::string objection_to_time(const Certificate& certificate, int64_t now) {
  const auto time = static_cast<uint64_t>(std::max<int64_t>(now, 0));
  if (time < certificate.valid_after) return "it is valid from " + day_and_time(certificate.valid_after) + " on";
  // The end itself is outside.
  if (time >= certificate.valid_before) return "it expired at " + day_and_time(certificate.valid_before);
  return {};
}

std::string objection_to_host(const Certificate& certificate, std::string_view host, int64_t now,
                              std::span<const std::string> authority_algorithms) {
  if (certificate.kind != CertificateKind::host) return "it is a user's certificate";
  if (std::find(authority_algorithms.begin(), authority_algorithms.end(), certificate.signature_algorithm) ==
      authority_algorithms.end()) {
    return "its authority signed with " + shown(certificate.signature_algorithm, 64) +
           ", which CASignatureAlgorithms does not name";
  }
  if (auto late = objection_to_time(certificate, now); !late.empty()) return late;
  // One mistake of its authority would make it every host's.
  if (certificate.principals.empty()) return "it names no host";
  const bool named = std::any_of(certificate.principals.begin(), certificate.principals.end(),
                                 [&](const std::string& name) { return matches_pattern(host, to_lower(name)); });
  if (!named) return "it is for " + listed(certificate.principals) + " and not for " + std::string(host);
  // OpenSSH defines none for hosts, and what is critical must be understood.
  if (!certificate.critical_options.empty()) {
    return "it has a critical option that is not understood: " + shown(certificate.critical_options.front().name, 64);
  }
  return {};
}

std::string describe_certificate(const Certificate& certificate) {
  return "ID \"" + shown(certificate.id, 128) + "\" (serial " + std::to_string(certificate.serial) + ") signed by " +
         std::string(row_of(certificate.authority.type()).family) + " " + sha256_fingerprint(certificate.authority);
}

}  // namespace sluice
