// What OpenSSL's AEAD contexts are besides a cipher: tags, IVs that are counted on, records of TLS. The ENGINE and the
// provider translate their calls into these.
//
// In the words of EVP: an IV serves one message; an invocation field is the end of an IV that is counted on.
#pragma once

#include <memory>
#include <optional>

#include "drivers/engine/aead_stream.h"

namespace sluice {

inline constexpr size_t kTlsAadBytes = 13;

class AeadContext {
 public:
  // Null without memory or the CPU's functions.
  static std::unique_ptr<AeadContext> make(AeadKind kind, size_t key_bytes);
  std::unique_ptr<AeadContext> clone() const;
  ~AeadContext();

  // For whoever can tell the IV: GCM seals a message to which none was given under a random one.
  void let_choose_iv() { chooses_iv_ = true; }
  // Empty: as it was.
  bool init(bool encrypt, Bytes key, Bytes iv);
  size_t key_bytes() const { return key_bytes_; }
  bool set_iv_bytes(size_t n);
  size_t iv_bytes() const { return iv_bytes_; }
  Bytes iv() const { return {iv_.data(), iv_bytes_}; }
  bool encrypts() const { return encrypt_; }

  bool add_aad(Bytes aad);
  // Bytes written, or nothing: a failure. Of a TLS record, where its AAD was given, all of it at once.
  std::optional<size_t> update(uint8_t* dst, const uint8_t* src, size_t n) {
    if (tls_ || !key_set_ || !iv_set_) return begin_or_record(dst, src, n);
    if (!stream_->update(encrypt_, dst, src, n)) return refused();
    return n;
  }
  // False where a tag is missing or wrong.
  bool finish();

  bool set_tag(Bytes tag);
  // An empty source says how long the tag to make is.
  bool get_tag(MutableBytes tag) const;
  size_t tag_bytes() const { return tag_bytes_; }

  // GCM: all of an IV (as a peer of the same state continues), or its fixed field with a random rest.
  bool set_whole_iv(Bytes iv);
  bool set_fixed_iv(Bytes fixed);
  // The last bytes of the IV for the next message, which begins with it.
  bool next_iv(MutableBytes out);
  bool set_invocation(Bytes field);

  // The bytes that the record grows by, or nothing.
  std::optional<size_t> set_tls_aad(Bytes aad);
  size_t tls_pad() const { return tls_pad_; }

 private:
  AeadContext(AeadKind kind, size_t key_bytes, std::unique_ptr<AeadStream> stream);
  AeadContext(const AeadContext&, std::unique_ptr<AeadStream> stream);
  void start_message(Bytes iv);
  // Whether a message is under way, or can begin.
  bool ready();
  static std::optional<size_t> refused();
  std::optional<size_t> begin_or_record(uint8_t* dst, const uint8_t* src, size_t n);
  std::optional<size_t> gcm_record(uint8_t* dst, const uint8_t* src, size_t n);
  std::optional<size_t> chacha_record(uint8_t* dst, const uint8_t* src, size_t n);
  bool seal_or_open(uint8_t* dst, const uint8_t* src, size_t n, uint8_t* tag_out, const uint8_t* tag_in);

  AeadKind kind_;
  size_t key_bytes_;
  std::unique_ptr<AeadStream> stream_;
  bool encrypt_ = true;
  bool key_set_ = false;
  bool iv_set_ = false;    // of a message that has not ended
  bool iv_given_ = false;  // one, ever
  bool chooses_iv_ = false;
  bool iv_counts_ = false;
  bool tls_ = false;
  size_t iv_bytes_ = 12;
  size_t tag_bytes_ = 0;
  size_t tls_pad_ = 0;
  uint64_t records_ = 0;
  std::array<uint8_t, kMostGcmIvBytes> iv_{};
  std::array<uint8_t, kAeadTagBytes> tag_{};
  std::array<uint8_t, kTlsAadBytes> tls_aad_{};
};

}  // namespace sluice
