// AES-GCM and ChaCha20-Poly1305 (RFC 8439) as streams: key, IV, AAD in pieces, data in pieces, tag.
//
// A message: set_iv, add_aad..., update..., finish. Nothing is computed before the first update or finish, since
// ipsec-mb takes the AAD as a whole; a message whose AAD is longer than may be held is the default implementation's.
// Not in an ENGINE, since libcrypto would give the default's work back to it: there it is held until it is refused.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "drivers/engine/default_aead.h"

namespace sluice {

inline constexpr size_t kAeadTagBytes = 16;
// As OpenSSL's providers have it.
inline constexpr size_t kMostGcmIvBytes = 128;
// Of AAD held until its message begins; protocols have some dozen bytes.
inline constexpr size_t kMostHeldAad = 64 * 1024;
inline constexpr size_t kMostAadOfEngine = 16 * 1024 * 1024;

// Where OpenSSL's own implementations are found, null for the default context; nothing: they are not to be used.
using DefaultPlace = std::optional<OSSL_LIB_CTX*>;

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

 protected:
  // The default implementation's name, and where it is found.
  AeadStream(uint64_t longest, const char* name, DefaultPlace place) : longest_(longest), name_(name), place_(place) {}
  AeadStream(const AeadStream&);
  void forget_held();
  virtual Bytes key() const = 0;
  virtual bool device_takes_it() const { return false; }
  // first_piece: what the message begins with, of data.
  virtual void begin(Bytes iv, Bytes aad, size_t first_piece) = 0;
  virtual void run(bool encrypt, uint8_t* dst, const uint8_t* src, size_t n) = 0;
  virtual void end(bool encrypt, uint8_t* tag) = 0;

 private:
  void begin_once(size_t first_piece);
  bool begin_with(bool encrypt, uint8_t* dst, const uint8_t* src, size_t n);
  bool offer_to_device(bool encrypt, uint8_t* dst, const uint8_t* src, size_t n);
  void recompute_held();

  const uint64_t longest_;
  const char* const name_;
  const DefaultPlace place_;
  std::unique_ptr<DefaultAead> by_default_;  // of a message with a long AAD
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

// Null without memory or the CPU's functions.
std::unique_ptr<AeadStream> make_aead_stream(AeadKind kind, size_t key_bytes, DefaultPlace place);

}  // namespace sluice
