// The table of cipher suites, built at compile time as ciphers x MACs.
#include "crypto_offload/cipher_suite.h"

#include "base/check.h"

namespace sluice {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;
// RFC 4344 section 3.2: 2^(L/4) blocks of L bits; 2^32 blocks of 16 bytes.
constexpr uint64_t kBlock128Limit = uint64_t{1} << 36;
// RFC 4344 section 3.1.
constexpr uint64_t kRecordLimit = uint64_t{1} << 31;

constexpr CipherRow kNoCipher{"none", CipherKind::none, 0, 0, 8, 0, false, ~uint64_t{0}};

constexpr std::array kCiphers{
    CipherRow{"aes128-gcm@openssh.com", CipherKind::aes_gcm, 16, 12, 16, 16, true, kBlock128Limit},
    CipherRow{"aes256-gcm@openssh.com", CipherKind::aes_gcm, 32, 12, 16, 16, true, kBlock128Limit},
    CipherRow{"chacha20-poly1305@openssh.com", CipherKind::chacha20_poly1305, 64, 0, 8, 16, true, kGiB},
    CipherRow{"aes128-ctr", CipherKind::aes_ctr, 16, 16, 16, 0, true, kBlock128Limit},
    CipherRow{"aes192-ctr", CipherKind::aes_ctr, 24, 16, 16, 0, true, kBlock128Limit},
    CipherRow{"aes256-ctr", CipherKind::aes_ctr, 32, 16, 16, 0, true, kBlock128Limit},
    CipherRow{"aes128-cbc", CipherKind::aes_cbc, 16, 16, 16, 0, false, kBlock128Limit},
    CipherRow{"aes192-cbc", CipherKind::aes_cbc, 24, 16, 16, 0, false, kBlock128Limit},
    CipherRow{"aes256-cbc", CipherKind::aes_cbc, 32, 16, 16, 0, false, kBlock128Limit},
    CipherRow{"3des-cbc", CipherKind::des3_cbc, 24, 8, 8, 0, false, kGiB},
};

constexpr std::array kMacs{
    MacRow{"hmac-sha2-256-etm@openssh.com", MacKind::hmac_sha256, 32, 32, 32, true, true},
    MacRow{"hmac-sha2-512-etm@openssh.com", MacKind::hmac_sha512, 64, 64, 64, true, true},
    MacRow{"hmac-sha1-etm@openssh.com", MacKind::hmac_sha1, 20, 20, 20, true, true},
    MacRow{"hmac-sha2-256", MacKind::hmac_sha256, 32, 32, 32, false, true},
    MacRow{"hmac-sha2-512", MacKind::hmac_sha512, 64, 64, 64, false, true},
    MacRow{"hmac-sha1", MacKind::hmac_sha1, 20, 20, 20, false, true},
    MacRow{"hmac-sha1-96", MacKind::hmac_sha1, 20, 20, 12, false, false},
    MacRow{"hmac-md5", MacKind::hmac_md5, 16, 16, 16, false, false},
    MacRow{"hmac-md5-96", MacKind::hmac_md5, 16, 16, 12, false, false},
};

constexpr uint8_t at_least_8(uint8_t block) { return block < 8 ? uint8_t{8} : block; }

constexpr CipherSuite aead(const CipherRow& cipher, uint8_t id) {
  const bool own_stream = cipher.kind == CipherKind::chacha20_poly1305;
  return {&cipher,
          nullptr,
          id,
          own_stream ? LengthForm::own_stream : LengthForm::clear,
          4,
          at_least_8(cipher.block_bytes),
          cipher.tag_bytes,
          0,
          false,
          true,
          cipher.on_by_default,
          cipher.byte_limit,
          kRecordLimit};
}

constexpr CipherSuite with_mac(const CipherRow& cipher, const MacRow& mac, uint8_t id) {
  const bool chained = cipher.kind == CipherKind::aes_cbc || cipher.kind == CipherKind::des3_cbc;
  return {&cipher,
          &mac,
          id,
          mac.encrypt_then_mac ? LengthForm::clear : LengthForm::first_block,
          mac.encrypt_then_mac ? uint8_t{4} : uint8_t{0},
          at_least_8(cipher.block_bytes),
          mac.tag_bytes,
          4,
          chained,
          true,
          cipher.on_by_default && mac.on_by_default,
          cipher.byte_limit,
          kRecordLimit};
}

constexpr size_t count_suites() {
  size_t n = 1;
  for (const CipherRow& cipher : kCiphers) n += cipher.tag_bytes != 0 ? 1 : kMacs.size();
  return n;
}

constexpr auto kSuites = [] {
  std::array<CipherSuite, count_suites()> rows{};
  rows[0] = {&kNoCipher, nullptr, 0, LengthForm::clear, 0, 8, 0, 0, false, false, false, ~uint64_t{0}, ~uint64_t{0}};
  uint8_t id = 1;
  for (const CipherRow& cipher : kCiphers) {
    if (cipher.tag_bytes != 0) {
      rows[id] = aead(cipher, id);
      ++id;
      continue;
    }
    for (const MacRow& mac : kMacs) {
      rows[id] = with_mac(cipher, mac, id);
      ++id;
    }
  }
  return rows;
}();
// Their ids follow, for tables by suite.
constexpr auto kBare = [] {
  std::array<CipherSuite, kCiphers.size()> rows{};
  for (size_t i = 0; i < kCiphers.size(); ++i) {
    const CipherRow& cipher = kCiphers[i];
    const bool chained = cipher.kind == CipherKind::aes_cbc || cipher.kind == CipherKind::des3_cbc;
    rows[i] = {&cipher,
               nullptr,
               static_cast<uint8_t>(kSuites.size() + i),
               LengthForm::clear,
               0,
               cipher.block_bytes,
               0,
               0,
               chained,
               false,
               false,
               cipher.byte_limit,
               kRecordLimit};
  }
  return rows;
}();
static_assert(kSuites.size() + kBare.size() <= kMaxSuites);

std::string_view without_vendor(std::string_view ssh_name) { return ssh_name.substr(0, ssh_name.find('@')); }

}  // namespace

std::span<const CipherRow> cipher_rows() { return kCiphers; }
std::span<const MacRow> mac_rows() { return kMacs; }
std::span<const CipherSuite> cipher_suites() { return kSuites; }
const CipherSuite& plain_suite() { return kSuites[0]; }

const CipherSuite* bare_cipher(CipherKind kind, size_t key_bytes) {
  if (kind != CipherKind::aes_ctr && kind != CipherKind::aes_cbc) return nullptr;
  for (const CipherSuite& suite : kBare)
    if (suite.kind() == kind && suite.cipher->key_bytes == key_bytes) return &suite;
  return nullptr;
}

std::string CipherSuite::name() const {
  std::string out(without_vendor(cipher->ssh_name));
  if (mac) out.append("+").append(without_vendor(mac->ssh_name));
  return out;
}

const CipherSuite* find_suite(std::string_view cipher, std::string_view mac) {
  for (const CipherSuite& suite : kSuites) {
    if (suite.cipher->ssh_name != cipher) continue;
    if (!suite.mac || suite.mac->ssh_name == mac) return &suite;
  }
  return nullptr;
}

const CipherSuite* find_suite(std::string_view name) {
  for (const CipherSuite& suite : kSuites) {
    if (suite.name() == name) return &suite;
  }
  return nullptr;
}

// RFC 4253 section 6: padding of 4..255 bytes makes the encrypted region a multiple of the block.
uint32_t record_length(const CipherSuite& suite, uint32_t payload_bytes) {
  SLUICE_CHECK(payload_bytes <= kMaxRecordLength);
  const uint32_t outside = suite.encrypted_from;
  const uint32_t least = 4 + 1 + payload_bytes + kMinPadding - outside;
  const uint32_t mask = suite.alignment - 1u;
  return outside + ((least + mask) & ~mask);
}

}  // namespace sluice
