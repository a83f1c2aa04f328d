// AES on a few blocks with the CPU's AES instructions: what is too short for a call of ipsec-mb, and CBC encryption,
// where each block waits for the one before it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace sluice {

// Plain memory, so that a copy of it is a key as good as the first.
struct AesKey {
  alignas(16) std::array<uint8_t, 240> encrypt;
  alignas(16) std::array<uint8_t, 240> decrypt;
  unsigned bytes;
};

// 16, 24 or 32 bytes; false otherwise, and where the machine has no AES.
bool expand_aes_key(AesKey& key, Bytes bytes);

// dst = src xor the keystream of so many blocks; counter, 128 bits big-endian, goes on by as many.
void aes_ctr_blocks(const AesKey& key, uint8_t* counter, uint8_t* dst, const uint8_t* src, size_t blocks);
// iv becomes the last block of ciphertext.
void aes_cbc_encrypt_blocks(const AesKey& key, uint8_t* iv, uint8_t* dst, const uint8_t* src, size_t blocks);
void aes_cbc_decrypt_blocks(const AesKey& key, uint8_t* iv, uint8_t* dst, const uint8_t* src, size_t blocks);

}  // namespace sluice
