// AES-GCM and ChaCha20-Poly1305 (RFC 8439) as streams: key, IV, AAD in pieces, data in pieces, tag.
//
// A message: set_iv, add_aad..., update..., finish. Nothing is computed before the first update or finish, since
// ipsec-mb takes the AAD as a whole; a message whose AAD is longer than may be held is the default implementation's.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "drivers/chacha20_blocks.h"
#include "drivers/engine/default_aead.h"

namespace sluice {

inline constexpr size_t kAeadTagBytes = 16;
// As OpenSSL's providers have it.
inline constexpr size_t kMostGcmIvBytes = 128;
// Of AAD held until its message begins; protocols have some dozen bytes.
inline constexpr size_t kMostHeldAad = 64 * 1024;

enum class AeadKind : uint8_t { gcm, chacha20_poly1305 };

class AeadStream {
 public:
  virtual ~AeadStream() = default;
  AeadStream& operator=(const AeadStream&) = delete;

  virtual std::unique_ptr<AeadStream> clone() const = 0;
  virtual bool set_key(Bytes key) = 0;
  // Begins a message.
  void set_iv(Bytes iv);
  // False once data came, and without memory.
  bool add_aad(bool encrypt, Bytes aad);
  // The tag that an open ends with, where it is known before the data: what a device wants to know.
  void expect_tag(Bytes tag);
  // False when the message became longer than the cipher allows. Inline what a piece of a message that has begun
  // costs: of small ones it would be a tenth.
  bool update(bool encrypt, uint8_t* dst, const uint8_t* src, size_t n) {
    if (!begun_ || n == 0 || n > longest_ - length_) return begin_with(encrypt, dst, src, n);
    length_ += n;
    run(encrypt, dst, src, n);
    return true;
  }
  // The tag of what went through. An open's may be the one that came, which is in it, or another, if it was wrong.
  void finish(bool encrypt, MutableBytes tag);
  // Whether something was computed of the message; AAD alone is held.
  bool has_begun() const { return begun_ || handed_over_ || length_ > 0; }
  // Whether the message is the default implementation's.
  bool is_handed_over() const { return handed_over_; }

 protected:
  // name: the default implementation's.
  AeadStream(uint64_t longest, const char* name) : longest_(longest), name_(name) {}
  AeadStream(const AeadStream&);
  void forget_held();
  // With the key that it had.
  void forget_default();
  virtual Bytes key() const = 0;
  virtual bool device_takes_it() const { return false; }
  // Of a message that begins with that much data.
  virtual bool default_is_faster(size_t) const { return false; }
  virtual void begin(Bytes iv, Bytes aad) = 0;
  virtual void run(bool encrypt, uint8_t* dst, const uint8_t* src, size_t n) = 0;
  virtual void end(bool encrypt, uint8_t* tag) = 0;

 private:
  void begin_once();
  bool begin_with(bool encrypt, uint8_t* dst, const uint8_t* src, size_t n);
  bool hand_over(bool encrypt);
  bool offer_to_device(bool encrypt, uint8_t* dst, const uint8_t* src, size_t n);
  void recompute_held();

  const uint64_t longest_;
  const char* const name_;
  std::unique_ptr<DefaultAead> by_default_;  // made for the first message of its
  bool handed_over_ = false;
  uint64_t length_ = 0;
  bool begun_ = false;
  uint8_t iv_bytes_ = 0;
  std::array<uint8_t, kMostGcmIvBytes> iv_{};
  std::vector<uint8_t> aad_;
  // What a device did of this message: all, if nothing follows. Then the CPU's state is made from what went in.
  std::vector<uint8_t> held_;
  bool held_encrypt_ = false;
  bool expects_tag_ = false;
  std::array<uint8_t, kAeadTagBytes> device_tag_{};
};

// Null without memory or the CPU's functions. level: what code of ours may use of the CPU.
std::unique_ptr<AeadStream> make_aead_stream(AeadKind kind, size_t key_bytes, VectorLevel level = vector_level());

}  // namespace sluice
