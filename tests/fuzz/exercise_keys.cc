// The inputs' way through the parsers, and what must hold of whatever they accept.
#include "tests/fuzz/exercise_keys.h"

#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/wire.h"
#include "control/keys/authorized_keys.h"
#include "control/keys/base64.h"
#include "control/keys/certificate.h"
#include "control/keys/fingerprint.h"
#include "control/keys/known_hosts.h"
#include "control/keys/private_key_file.h"
#include "control/keys/public_key_text.h"
#include "control/keys/revoked_keys.h"
#include "control/keys/user_certificate.h"

namespace sluice::fuzz {
namespace {

constexpr KeyLimits kWide{.min_rsa_bits = kRsaBitsFloor, .max_rsa_bits = kRsaBitsCeiling};
// Small, so that an input spends its time in parsers and not in key derivation.
constexpr KeyFileLimits kCheap{
    .key = kWide, .max_bcrypt_rounds = 1, .max_pbkdf2_iterations = 64, .max_scrypt_work = 64};

// Keys without anybody behind them: the base points of edwards25519 and P-256, and a modulus of ones.
constexpr uint8_t kEdwardsBase[32] = {0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
                                      0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
                                      0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66};
constexpr uint8_t kP256Base[65] = {0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5,
                                   0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4,
                                   0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a,
                                   0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33,
                                   0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5};

PublicKey key_from(const WireWriter& blob) {
  auto key = PublicKey::parse(blob.view(), kWide);
  SLUICE_CHECK(key.has_value());
  return *key;
}

const std::vector<PublicKey>& nobodys_keys() {
  static const std::vector<PublicKey> keys = [] {
    const std::vector<uint8_t> modulus(kRsaBitsFloor / 8, 0xff);
    const std::vector<uint8_t> exponent{1, 0, 1};
    std::vector<PublicKey> made;
    made.push_back(key_from(WireWriter().string("ssh-ed25519").string(Bytes(kEdwardsBase))));
    made.push_back(key_from(WireWriter().string("ecdsa-sha2-nistp256").string("nistp256").string(Bytes(kP256Base))));
    made.push_back(key_from(WireWriter().string("ssh-rsa").mpint(exponent).mpint(modulus)));
    made.push_back(
        key_from(WireWriter().string("sk-ssh-ed25519@openssh.com").string(Bytes(kEdwardsBase)).string("ssh:")));
    return made;
  }();
  return keys;
}

// A key that was accepted comes out of its text as the same key.
void check_key(const PublicKey& key) {
  (void)describe_key(key, "");
  (void)randomart(key);
  SLUICE_CHECK(matches_key_hash(key, key_hash(key)));
  const auto again = parse_public_key_line(to_text(key, "c"), kWide);
  SLUICE_CHECK(again && again->key == key && again->comment == "c");
}

// Base64 hides a container's structure from a fuzzer, so a bare container is wrapped first.
std::string wrapped(Bytes input) {
  if (!text_of(input).starts_with("openssh-key-v1")) return std::string(text_of(input));
  return "-----BEGIN OPENSSH PRIVATE KEY-----\n" + base64_encode(input) + "\n-----END OPENSSH PRIVATE KEY-----\n";
}

}  // namespace

void exercise_key_blob(Bytes input) {
  if (const auto key = PublicKey::parse(input, kWide)) check_key(*key);
  if (const auto key = read_public_key(input, kWide)) check_key(key->key);
  auto certificate = Certificate::parse(input, kWide);
  if (!certificate) certificate = parse_certificate_line(text_of(input), kWide);
  if (certificate) {
    check_key(certificate->key);
    (void)objection_to_host(*certificate, "host.example", 1700000000, std::vector<std::string>{"ssh-ed25519"});
    SLUICE_CHECK(describe_certificate(*certificate).find('\n') == std::string::npos);
    AuthorizedKey line{1, {}, certificate->authority, {}};
    line.options.cert_authority = true;
    const auto admitted = admit_certificate({&line, 1}, *certificate, {"ann", 1700000000, "", "192.0.2.1"});
    SLUICE_CHECK(admitted.options.has_value() == admitted.reason.empty());
    (void)KnownHosts::parse("@cert-authority * " + to_text(certificate->authority, "")).lookup("h", 22, *certificate);
  }
  for (const PublicKey& key : nobodys_keys())
    for (const SignatureAlgorithm& row : all_signature_algorithms())
      if (row.key_type == key.type()) (void)key.verify(input, row.name, bytes_of("data"));
}

void exercise_key_file(Bytes bare) {
  const std::string file = wrapped(bare);
  const Bytes input = bytes_of(file);
  const auto passphrase = [] { return std::optional<Secret>(Secret(bytes_of("s"))); };
  (void)public_half_of(input, kWide);
  const auto read = parse_private_key(input, passphrase, kCheap);
  if (!read) return;
  check_key(read->key.public_key());
  const auto written = format_private_key(read->key, read->comment, nullptr);
  SLUICE_CHECK(written.has_value());
  const auto again = parse_private_key(written->view(), nullptr, kCheap);
  SLUICE_CHECK(again && again->key.public_key() == read->key.public_key() && again->comment == read->comment);
}

void exercise_authorized_keys(Bytes input) {
  const auto file = AuthorizedKeys::parse(text_of(input), kWide);
  for (const AuthorizedKey& key : file.keys()) {
    const Admission admission = file.admit(key.key, 1700000000, "host.example", "192.0.2.1");
    SLUICE_CHECK(admission.key != nullptr || !admission.reason.empty());
    (void)key.options.may_open("::1", 22);
    (void)key.options.may_listen("localhost", 8080);
  }
}

void exercise_known_hosts(Bytes input) {
  KnownHosts hosts = KnownHosts::parse(text_of(input));
  const std::vector<PublicKey>& keys = nobodys_keys();
  (void)hosts.lookup("host.example", 22, keys[0]);
  (void)hosts.keys_of("host.example", 2222);
  (void)hosts.remove("other.example", 22);
  SLUICE_CHECK(hosts.replace("host.example", 22, {keys.data(), 1}, HostNaming::plain).has_value());
  const HostVerdict verdict = hosts.lookup("host.example", 22, keys[0]).verdict;
  SLUICE_CHECK(verdict == HostVerdict::found || verdict == HostVerdict::revoked);
  SLUICE_CHECK(KnownHosts::parse(hosts.text()).text() == hosts.text());
  (void)is_revoked(input, keys[0]);
}

}  // namespace sluice::fuzz
