// AES-CTR and AES-CBC over any number of bytes and blocks: long runs by ipsec-mb, short ones here.
//
// The state between calls is the caller's, in the form in which OpenSSL shows it: the next counter or the last block of
// ciphertext, and how much of a block of keystream is used.
#pragma once

#include "drivers/engine/aes_blocks.h"

namespace sluice {

struct CtrState {
  uint8_t* counter;    // of the next block that was not begun
  uint8_t* keystream;  // of the block that was begun
  unsigned used;       // bytes of it, 0: none was begun
};

// dst and src are the same or do not overlap.
void aes_ctr(const AesKey& key, CtrState& state, uint8_t* dst, const uint8_t* src, size_t n);
// Whole blocks.
void aes_cbc_encrypt(const AesKey& key, uint8_t* iv, uint8_t* dst, const uint8_t* src, size_t n);
void aes_cbc_decrypt(const AesKey& key, uint8_t* iv, uint8_t* dst, const uint8_t* src, size_t n);

}  // namespace sluice
