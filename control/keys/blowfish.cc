// Blowfish's sixteen rounds and the two schedules that bcrypt builds on them.
#include "control/keys/blowfish.h"

#include "base/check.h"

namespace sluice {
namespace {

// The words of a byte string, again and again from its start.
class CyclicWords {
 public:
  explicit CyclicWords(Bytes from) : from_(from) { SLUICE_CHECK(!from.empty() && from.size() % 4 == 0); }
  uint32_t next() {
    const uint32_t word = load_be32(from_.data() + at_);
    at_ += 4;
    if (at_ == from_.size()) at_ = 0;
    return word;
  }

 private:
  Bytes from_;
  size_t at_ = 0;
};

}  // namespace

void Blowfish::mix_in(Bytes key) {
  CyclicWords words(key);
  for (size_t i = 0; i < kBlowfishSubkeys; ++i) words_[i] ^= words.next();
}

void Blowfish::expand(Bytes key, Bytes salt) {
  mix_in(key);
  CyclicWords salt_words(salt);
  uint32_t left = 0;
  uint32_t right = 0;
  for (size_t i = 0; i < kBlowfishWords; i += 2) {
    left ^= salt_words.next();
    right ^= salt_words.next();
    encrypt(left, right);
    words_[i] = left;
    words_[i + 1] = right;
  }
}

void Blowfish::expand(Bytes key) {
  mix_in(key);
  uint32_t left = 0;
  uint32_t right = 0;
  for (size_t i = 0; i < kBlowfishWords; i += 2) {
    encrypt(left, right);
    words_[i] = left;
    words_[i + 1] = right;
  }
}

void Blowfish::encrypt(uint32_t& left, uint32_t& right) const {
  uint32_t l = left ^ words_[0];
  uint32_t r = right;
  for (size_t i = 1; i <= 16; i += 2) {
    r ^= round(l) ^ words_[i];
    l ^= round(r) ^ words_[i + 1];
  }
  left = r ^ words_[kBlowfishSubkeys - 1];
  right = l;
}

}  // namespace sluice
