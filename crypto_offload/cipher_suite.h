// What a cipher suite is: one const table row for each cipher and MAC that can protect one direction of a connection.
//
// A row says everything that framing, crypto and rekeying must know; no other place asks for an algorithm's name.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sluice {

enum class CipherKind : uint8_t { none, aes_gcm, chacha20_poly1305, aes_ctr, aes_cbc, des3_cbc };
enum class MacKind : uint8_t { none, hmac_md5, hmac_sha1, hmac_sha256, hmac_sha512 };
inline constexpr size_t kMacKinds = 5;

// How a receiver learns a record's length.
enum class LengthForm : uint8_t {
  clear,        // first four bytes as they are: before keys, with GCM and with the -etm MACs
  own_stream,   // four bytes under a key of their own (chacha20-poly1305)
  first_block,  // inside the first encrypted block (non-EtM MACs)
};

struct CipherRow {
  std::string_view ssh_name;
  CipherKind kind;
  uint8_t key_bytes;
  uint8_t iv_bytes;
  uint8_t block_bytes;  // of the cipher; framing aligns to at least 8
  uint8_t tag_bytes;    // of an AEAD, 0 where a MAC is negotiated
  bool on_by_default;
  uint64_t byte_limit;  // for one key: RFC 4344 section 3.2
};

struct MacRow {
  std::string_view ssh_name;
  MacKind kind;
  uint8_t key_bytes;
  uint8_t digest_bytes;
  uint8_t tag_bytes;  // shorter than the digest for the -96 forms
  bool encrypt_then_mac;
  bool on_by_default;
};

// RFC 4253 section 6.1 asks for 35,000 bytes at least; OpenSSH accepts 256 KiB, and so do we.
inline constexpr uint32_t kMaxRecordLength = 256 * 1024;
// Emitted and advertised: such a record with its sequence number is one HMAC job and one mbuf (both end at 65,535).
inline constexpr uint32_t kMaxPayload = 64512;
inline constexpr uint32_t kMinPadding = 4;
inline constexpr size_t kMaxTagBytes = 64;
inline constexpr size_t kMaxKeyBytes = 64;
inline constexpr size_t kMaxIvBytes = 16;

struct CipherSuite {
  const CipherRow* cipher;
  const MacRow* mac;  // null for an AEAD and before keys
  uint8_t id;         // the row's index, dense, for tables by suite
  LengthForm length_form;
  uint8_t encrypted_from;  // 0: the length is inside the encrypted region; 4: it precedes it
  uint8_t alignment;       // the padded region is a multiple of this
  uint8_t tag_bytes;
  uint8_t headroom;  // bytes before the length field that a seal may overwrite: the sequence number of an HMAC job
  bool chained;      // CBC: the next record's IV is this record's last block
  bool negotiable;   // false for "none"
  bool on_by_default;
  uint64_t byte_limit;
  uint64_t record_limit;

  CipherKind kind() const { return cipher->kind; }
  MacKind mac_kind() const { return mac ? mac->kind : MacKind::none; }
  bool is_plain() const { return cipher->kind == CipherKind::none; }
  bool is_aead() const { return cipher->tag_bytes != 0; }
  bool is_etm() const { return mac && mac->encrypt_then_mac; }
  // aes256-ctr+hmac-sha2-256-etm: the SSH names without "@openssh.com".
  std::string name() const;
};

std::span<const CipherRow> cipher_rows();  // without "none"
std::span<const MacRow> mac_rows();
std::span<const CipherSuite> cipher_suites();  // row 0 is "none"
inline constexpr size_t kMaxSuites = 96;

const CipherSuite& plain_suite();
// A cipher of counter mode or CBC without MAC, which protects no record: for devices whose ciphers are lent to other
// programs. Null when there is none of that key size.
const CipherSuite* bare_cipher(CipherKind kind, size_t key_bytes);
// By negotiated names; the MAC's name is ignored for an AEAD. Null when unknown.
const CipherSuite* find_suite(std::string_view cipher, std::string_view mac);
// By CipherSuite::name().
const CipherSuite* find_suite(std::string_view name);

// The whole record without its tag: length field, padding length, payload, padding.
uint32_t record_length(const CipherSuite& suite, uint32_t payload_bytes);

}  // namespace sluice
