// Certificate: a key with an authority's word on whose it is and how long (OpenSSH's PROTOCOL.certkeys), checked when
// parsed: form and the authority's signature. Whether that authority counts, and for whom, is the caller's question.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "control/keys/public_key.h"

namespace sluice {

// Two keys, a signature, and names: the limit bounds what a stranger makes us keep and hash.
inline constexpr size_t kMaxCertificateBlob = 32 * 1024;
inline constexpr size_t kMaxPrincipals = 256;
inline constexpr size_t kMaxCertificateOptions = 64;

enum class CertificateKind : uint8_t { user = 1, host = 2 };

// One certified name of a signature algorithm: what is negotiated for it, what the blob begins with.
struct CertificateAlgorithm {
  std::string_view name;    // "rsa-sha2-512-cert-v01@openssh.com"
  std::string_view plain;   // the signature algorithm behind it
  std::string_view format;  // "ssh-rsa-cert-v01@openssh.com"
};
std::span<const CertificateAlgorithm> all_certificate_algorithms();
// Null: no name of a certificate.
const CertificateAlgorithm* find_certificate_algorithm(std::string_view name);
// The certified name of a plain algorithm; empty: there is none.
std::string_view certified_name(std::string_view plain);

// Its value is packed once more, by what it means.
struct CertificateOption {
  std::string name;
  std::vector<uint8_t> value;
};

struct Certificate {
  std::vector<uint8_t> blob;  // as it came
  PublicKey key;              // that it certifies
  PublicKey authority;
  std::string signature_algorithm;  // of the authority's signature
  CertificateKind kind = CertificateKind::user;
  uint64_t serial = 0;
  std::string id;
  std::vector<std::string> principals;  // none: any
  uint64_t valid_after = 0, valid_before = UINT64_MAX;
  std::vector<CertificateOption> critical_options;
  std::vector<CertificateOption> extensions;

  static KeyResult<Certificate> parse(Bytes blob, const KeyLimits& limits = {});
  bool operator==(const Certificate& other) const { return blob == other.blob; }
};

// Whether a blob begins as a certificate does.
bool is_certificate(Bytes blob);
// One line as in a -cert.pub file.
KeyResult<Certificate> parse_certificate_line(std::string_view line, const KeyLimits& limits = {});

// Why it is no good at this time (seconds since 1970); empty: it is.
std::string objection_to_time(const Certificate& certificate, int64_t now);
// Why it does not speak for this host at this time; the authority is believed already.
std::string objection_to_host(const Certificate& certificate, std::string_view host, int64_t now,
                              std::span<const std::string> authority_algorithms);
// "ID \"backup\" (serial 7) signed by ED25519 SHA256:...", fit for a terminal.
std::string describe_certificate(const Certificate& certificate);

}  // namespace sluice
