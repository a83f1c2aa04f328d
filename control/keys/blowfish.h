// Blowfish with the expensive key schedule of bcrypt, for the key derivation of OpenSSH's key files. Nothing else.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"

namespace sluice {

inline constexpr size_t kBlowfishSubkeys = 18;
inline constexpr size_t kBlowfishBoxWords = 4 * 256;
inline constexpr size_t kBlowfishWords = kBlowfishSubkeys + kBlowfishBoxWords;

extern const std::array<uint32_t, kBlowfishWords> kPiFraction;

// Wiped when dropped: the schedule is as good as the passphrase's hash.
class Blowfish {
 public:
  Blowfish() : words_(kPiFraction) {}
  ~Blowfish() { wipe(words_.data(), sizeof words_); }
  Blowfish(const Blowfish&) = delete;
  Blowfish& operator=(const Blowfish&) = delete;

  // Key and salt are read round and round as big-endian words; neither may be empty nor end inside a word.
  void expand(Bytes key, Bytes salt);
  void expand(Bytes key);
  void encrypt(uint32_t& left, uint32_t& right) const;

 private:
  void mix_in(Bytes key);
  uint32_t round(uint32_t x) const {
    const uint32_t* boxes = words_.data() + kBlowfishSubkeys;
    return ((boxes[x >> 24] + boxes[256 + (x >> 16 & 255)]) ^ boxes[512 + (x >> 8 & 255)]) + boxes[768 + (x & 255)];
  }

  std::array<uint32_t, kBlowfishWords> words_;
};

}  // namespace sluice
