// The tables of key types and signature algorithms, and the look-ups in them.
#include "control/keys/key_type.h"

#include <array>

namespace sluice {
namespace {

constexpr CurveRow kNistp256{"nistp256", "P-256", 256, 32};
constexpr CurveRow kNistp384{"nistp384", "P-384", 384, 48};
constexpr CurveRow kNistp521{"nistp521", "P-521", 521, 66};

constexpr std::array<KeyTypeRow, static_cast<size_t>(KeyType::count_)> kKeyTypes{{
    {KeyType::ed25519, "ssh-ed25519", "ed25519", "ED25519", nullptr, false},
    {KeyType::ecdsa_nistp256, "ecdsa-sha2-nistp256", "ecdsa-nistp256", "ECDSA", &kNistp256, false},
    {KeyType::ecdsa_nistp384, "ecdsa-sha2-nistp384", "ecdsa-nistp384", "ECDSA", &kNistp384, false},
    {KeyType::ecdsa_nistp521, "ecdsa-sha2-nistp521", "ecdsa-nistp521", "ECDSA", &kNistp521, false},
    {KeyType::rsa, "ssh-rsa", "rsa", "RSA", nullptr, false},
    {KeyType::dsa, "ssh-dss", "dsa", "DSA", nullptr, false},
    {KeyType::sk_ed25519, "sk-ssh-ed25519@openssh.com", "ed25519-sk", "ED25519-SK", nullptr, true},
    {KeyType::sk_ecdsa_nistp256, "sk-ecdsa-sha2-nistp256@openssh.com", "ecdsa-sk", "ECDSA-SK", &kNistp256, true},
}};

// ssh-rsa signs with SHA-1 and ssh-dss has 160-bit subgroups: known for old devices, off until asked for.
constexpr std::array kAlgorithms{
    SignatureAlgorithm{"ssh-ed25519", KeyType::ed25519, SignatureDigest::none, 256, true},
    SignatureAlgorithm{"ecdsa-sha2-nistp256", KeyType::ecdsa_nistp256, SignatureDigest::sha256, 256, true},
    SignatureAlgorithm{"ecdsa-sha2-nistp384", KeyType::ecdsa_nistp384, SignatureDigest::sha384, 384, true},
    SignatureAlgorithm{"ecdsa-sha2-nistp521", KeyType::ecdsa_nistp521, SignatureDigest::sha512, 521, true},
    SignatureAlgorithm{"sk-ssh-ed25519@openssh.com", KeyType::sk_ed25519, SignatureDigest::none, 256, true},
    SignatureAlgorithm{"sk-ecdsa-sha2-nistp256@openssh.com", KeyType::sk_ecdsa_nistp256, SignatureDigest::sha256, 256,
                       true},
    SignatureAlgorithm{"rsa-sha2-512", KeyType::rsa, SignatureDigest::sha512, 2048, true},
    SignatureAlgorithm{"rsa-sha2-256", KeyType::rsa, SignatureDigest::sha256, 2048, true},
    SignatureAlgorithm{"ssh-rsa", KeyType::rsa, SignatureDigest::sha1, 2048, false},
    SignatureAlgorithm{"ssh-dss", KeyType::dsa, SignatureDigest::sha1, 1024, false},
};

template <class Rows, class Predicate>
auto find_row(const Rows& rows, Predicate is_it) -> decltype(rows.data()) {
  for (const auto& row : rows)
    if (is_it(row)) return &row;
  return nullptr;
}

}  // namespace

const KeyTypeRow& row_of(KeyType type) { return kKeyTypes[static_cast<size_t>(type)]; }

const KeyTypeRow* find_key_type(std::string_view name) {
  return find_row(kKeyTypes, [&](const KeyTypeRow& row) { return row.name == name; });
}

const KeyTypeRow* find_key_type_by_store_name(std::string_view store_name) {
  return find_row(kKeyTypes, [&](const KeyTypeRow& row) { return row.store_name == store_name; });
}

std::span<const KeyTypeRow> all_key_types() { return kKeyTypes; }

std::span<const SignatureAlgorithm> all_signature_algorithms() { return kAlgorithms; }

const SignatureAlgorithm* find_signature_algorithm(std::string_view name) {
  return find_row(kAlgorithms, [&](const SignatureAlgorithm& row) { return row.name == name; });
}

const SignatureAlgorithm* preferred_algorithm(KeyType type) {
  return find_row(kAlgorithms,
                  [&](const SignatureAlgorithm& row) { return row.key_type == type && row.on_by_default; });
}

}  // namespace sluice
