// The ciphers that the ENGINE and the provider offer, as one table.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <string_view>

namespace sluice {

// The last one is no cipher: the provider's HMAC.
enum class ServedMode : uint8_t { ctr, cbc, gcm, chacha20_poly1305, hmac };

struct ServedCipher {
  int nid;
  ServedMode mode;
  uint8_t key_bytes;
  const char* names;  // of the provider: what OpenSSL's default one answers to
};

inline constexpr std::array<ServedCipher, 10> kServedCiphers{{
    {NID_aes_128_ctr, ServedMode::ctr, 16, "AES-128-CTR"},
    {NID_aes_192_ctr, ServedMode::ctr, 24, "AES-192-CTR"},
    {NID_aes_256_ctr, ServedMode::ctr, 32, "AES-256-CTR"},
    {NID_aes_128_cbc, ServedMode::cbc, 16, "AES-128-CBC:AES128:2.16.840.1.101.3.4.1.2"},
    {NID_aes_192_cbc, ServedMode::cbc, 24, "AES-192-CBC:AES192:2.16.840.1.101.3.4.1.22"},
    {NID_aes_256_cbc, ServedMode::cbc, 32, "AES-256-CBC:AES256:2.16.840.1.101.3.4.1.42"},
    {NID_aes_128_gcm, ServedMode::gcm, 16, "AES-128-GCM:id-aes128-GCM:2.16.840.1.101.3.4.1.6"},
    {NID_aes_192_gcm, ServedMode::gcm, 24, "AES-192-GCM:id-aes192-GCM:2.16.840.1.101.3.4.1.26"},
    {NID_aes_256_gcm, ServedMode::gcm, 32, "AES-256-GCM:id-aes256-GCM:2.16.840.1.101.3.4.1.46"},
    {NID_chacha20_poly1305, ServedMode::chacha20_poly1305, 32, "ChaCha20-Poly1305"},
}};

}  // namespace sluice
