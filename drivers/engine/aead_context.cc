// RFC 5288 and 7905 for the records of TLS 1.2; RFC 5647 is how SSH uses the counted IVs.
#include "drivers/engine/aead_context.h"

#include <openssl/rand.h>

#include <algorithm>
#include <new>

#include "drivers/engine/refusal.h"

namespace sluice {
namespace {

constexpr size_t kExplicitBytes = 8;
constexpr size_t kInvocationBytes = 8;
constexpr size_t kSmallestFixed = 4;
constexpr size_t kChachaIvBytes = 12;
constexpr size_t kLeastRandomIv = 12;

}  // namespace

std::unique_ptr<AeadContext> AeadContext::make(AeadKind kind, size_t key_bytes) {
  auto stream = make_aead_stream(kind, key_bytes);
  if (!stream) return nullptr;
  return std::unique_ptr<AeadContext>(new (std::nothrow) AeadContext(kind, key_bytes, std::move(stream)));
}

AeadContext::AeadContext(AeadKind kind, size_t key_bytes, std::unique_ptr<AeadStream> stream)
    : kind_(kind), key_bytes_(key_bytes), stream_(std::move(stream)) {}

AeadContext::AeadContext(const AeadContext& o, std::unique_ptr<AeadStream> stream)
    : kind_(o.kind_),
      key_bytes_(o.key_bytes_),
      stream_(std::move(stream)),
      encrypt_(o.encrypt_),
      key_set_(o.key_set_),
      iv_set_(o.iv_set_),
      iv_given_(o.iv_given_),
      chooses_iv_(o.chooses_iv_),
      iv_counts_(o.iv_counts_),
      tls_(o.tls_),
      iv_bytes_(o.iv_bytes_),
      tag_bytes_(o.tag_bytes_),
      tls_pad_(o.tls_pad_),
      records_(o.records_),
      iv_(o.iv_),
      tag_(o.tag_),
      tls_aad_(o.tls_aad_) {}

std::unique_ptr<AeadContext> AeadContext::clone() const {
  try {
    return std::unique_ptr<AeadContext>(new AeadContext(*this, stream_->clone()));
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

AeadContext::~AeadContext() { wipe(iv_.data(), iv_.size()); }

bool AeadContext::init(bool encrypt, Bytes key, Bytes iv) {
  encrypt_ = encrypt;
  const bool begun = stream_->has_begun();
  if (!key.empty()) {
    if (!stream_->set_key(key)) return refuse(PROV_R_INVALID_KEY_LENGTH);
    key_set_ = true;
    records_ = 0;
  }
  if (!iv.empty()) {
    if (iv.size() != iv_bytes_) return refuse(PROV_R_INVALID_IV_LENGTH);
    std::memcpy(iv_.data(), iv.data(), iv.size());
    iv_counts_ = false;
    start_message(this->iv());
  } else if (!key.empty() && begun) {
    // Under a nonce that data went through already nothing else goes: the key may be the same one.
    iv_set_ = false;
  }
  if (encrypt) tag_bytes_ = 0;
  return true;
}

void AeadContext::start_message(Bytes iv) {
  stream_->set_iv(iv);
  iv_set_ = true;
  iv_given_ = true;
}

// As OpenSSL has it where nobody gave an IV: GCM seals one message under a random one, and ChaCha20-Poly1305 begins
// with zeros. An IV that was used is used no more, there as little as here.
bool AeadContext::ready() {
  if (!key_set_) return false;
  if (iv_set_ || iv_given_) return iv_set_;
  if (kind_ == AeadKind::gcm) {
    if (!chooses_iv_ || !encrypt_ || iv_bytes_ < kLeastRandomIv) return false;
    if (RAND_bytes(iv_.data(), static_cast<int>(iv_bytes_)) != 1) return false;
  }
  start_message(iv());
  return true;
}

bool AeadContext::set_iv_bytes(size_t n) {
  if (kind_ == AeadKind::gcm ? n == 0 || n > kMostGcmIvBytes : n != kChachaIvBytes)
    return refuse(PROV_R_INVALID_IV_LENGTH);
  if (n != iv_bytes_) iv_set_ = false;
  iv_bytes_ = n;
  return true;
}

bool AeadContext::add_aad(Bytes aad) {
  return (ready() && stream_->add_aad(encrypt_, aad)) || refuse(PROV_R_CIPHER_OPERATION_FAILED);
}

std::optional<size_t> AeadContext::refused() {
  refuse(PROV_R_CIPHER_OPERATION_FAILED);
  return std::nullopt;
}

std::optional<size_t> AeadContext::begin_or_record(uint8_t* dst, const uint8_t* src, size_t n) {
  if (!tls_) {
    if (ready() && stream_->update(encrypt_, dst, src, n)) return n;
    return refused();
  }
  if (!key_set_) return std::nullopt;
  const auto written = kind_ == AeadKind::gcm ? gcm_record(dst, src, n) : chacha_record(dst, src, n);
  iv_set_ = false;
  tls_ = false;
  return written;
}

bool AeadContext::finish() {
  if (!ready()) return false;
  if (!encrypt_ && tag_bytes_ == 0) return false;
  std::array<uint8_t, kAeadTagBytes> computed = tag_;
  stream_->finish(encrypt_, {computed.data(), encrypt_ ? computed.size() : tag_bytes_});
  iv_set_ = false;
  if (encrypt_) {
    tag_ = computed;
    tag_bytes_ = kAeadTagBytes;
    return true;
  }
  return equal_in_constant_time(computed.data(), tag_.data(), tag_bytes_);
}

bool AeadContext::set_tag(Bytes tag) {
  const bool gcm = kind_ == AeadKind::gcm;
  if (tag.empty() || tag.size() > kAeadTagBytes) return refuse(gcm ? PROV_R_INVALID_TAG : PROV_R_INVALID_TAG_LENGTH);
  // A length alone would leave the last message's tag to compare with; of ChaCha20-Poly1305 the default takes it.
  if (gcm && tag.data() == nullptr) return refuse(PROV_R_INVALID_TAG);
  if (tag.data() != nullptr) {
    if (encrypt_) return refuse(gcm ? PROV_R_INVALID_TAG : PROV_R_TAG_NOT_NEEDED);
    std::memcpy(tag_.data(), tag.data(), tag.size());
    stream_->expect_tag(tag);
  }
  tag_bytes_ = tag.size();
  return true;
}

bool AeadContext::get_tag(MutableBytes tag) const {
  const bool gcm = kind_ == AeadKind::gcm;
  if (!encrypt_ || tag_bytes_ == 0) return refuse(gcm ? PROV_R_INVALID_TAG : PROV_R_TAG_NOT_SET);
  if (tag.empty() || tag.size() > kAeadTagBytes) return refuse(gcm ? PROV_R_INVALID_TAG : PROV_R_INVALID_TAG_LENGTH);
  std::memcpy(tag.data(), tag_.data(), tag.size());
  return true;
}

bool AeadContext::set_whole_iv(Bytes iv) {
  if (iv.size() != iv_bytes_) return false;
  std::memcpy(iv_.data(), iv.data(), iv.size());
  iv_counts_ = true;
  start_message(this->iv());
  return true;
}

bool AeadContext::set_fixed_iv(Bytes fixed) {
  if (kind_ == AeadKind::chacha20_poly1305) return set_whole_iv(fixed);
  if (fixed.size() < kSmallestFixed || iv_bytes_ < fixed.size() + kInvocationBytes) return false;
  std::memcpy(iv_.data(), fixed.data(), fixed.size());
  const size_t rest = iv_bytes_ - fixed.size();
  if (encrypt_ && RAND_bytes(iv_.data() + fixed.size(), static_cast<int>(rest)) != 1) return false;
  iv_counts_ = true;
  start_message(iv());
  return true;
}

bool AeadContext::next_iv(MutableBytes out) {
  if (kind_ != AeadKind::gcm || !iv_counts_ || !key_set_) return false;
  if (iv_bytes_ < kInvocationBytes) return false;
  start_message(iv());
  const size_t n = out.empty() || out.size() > iv_bytes_ ? iv_bytes_ : out.size();
  std::memcpy(out.data(), iv_.data() + iv_bytes_ - n, n);
  uint8_t* const field = iv_.data() + iv_bytes_ - kInvocationBytes;
  store_be64(field, load_be64(field) + 1);
  return true;
}

bool AeadContext::set_invocation(Bytes field) {
  if (kind_ != AeadKind::gcm || !iv_counts_ || !key_set_ || encrypt_ || field.size() > iv_bytes_) return false;
  std::memcpy(iv_.data() + iv_bytes_ - field.size(), field.data(), field.size());
  start_message(iv());
  return true;
}

std::optional<size_t> AeadContext::set_tls_aad(Bytes aad) {
  if (aad.size() != kTlsAadBytes) return std::nullopt;
  std::memcpy(tls_aad_.data(), aad.data(), aad.size());
  // The length is that of the plaintext, or of what came.
  size_t length = static_cast<size_t>(aad[11] << 8 | aad[12]);
  const size_t taken = (kind_ == AeadKind::gcm ? kExplicitBytes : 0) + (encrypt_ ? 0 : kAeadTagBytes);
  // The explicit nonce is counted in by whoever encrypts, too.
  if (length < taken) return std::nullopt;
  length -= taken;
  tls_aad_[11] = static_cast<uint8_t>(length >> 8);
  tls_aad_[12] = static_cast<uint8_t>(length);
  tls_ = true;
  tls_pad_ = kAeadTagBytes;
  return tls_pad_;
}

bool AeadContext::seal_or_open(uint8_t* dst, const uint8_t* src, size_t n, uint8_t* tag_out, const uint8_t* tag_in) {
  std::array<uint8_t, kAeadTagBytes> received{};
  if (tag_in != nullptr) std::memcpy(received.data(), tag_in, received.size());
  std::array<uint8_t, kAeadTagBytes> computed = received;
  if (!stream_->add_aad(encrypt_, tls_aad_) || !stream_->update(encrypt_, dst, src, n)) return false;
  stream_->finish(encrypt_, computed);
  if (tag_out != nullptr) {
    std::memcpy(tag_out, computed.data(), computed.size());
    return true;
  }
  if (equal_in_constant_time(computed.data(), received.data(), computed.size())) return true;
  wipe(dst, n);
  return false;
}

// In place: eight bytes of explicit nonce, the text, the tag.
std::optional<size_t> AeadContext::gcm_record(uint8_t* dst, const uint8_t* src, size_t n) {
  constexpr size_t kAround = kExplicitBytes + kAeadTagBytes;
  if (dst != src || n < kAround) return std::nullopt;
  // What RFC 5288 and SP 800-38D have in common: no nonce comes twice.
  if (encrypt_ && ++records_ == 0) return std::nullopt;
  const bool started = encrypt_ ? next_iv({dst, kExplicitBytes}) : set_invocation({dst, kExplicitBytes});
  if (!started) return std::nullopt;
  uint8_t* const text = dst + kExplicitBytes;
  const size_t length = n - kAround;
  uint8_t* const tag = text + length;
  if (!seal_or_open(text, text, length, encrypt_ ? tag : nullptr, encrypt_ ? nullptr : tag)) return std::nullopt;
  return encrypt_ ? n : length;
}

std::optional<size_t> AeadContext::chacha_record(uint8_t* dst, const uint8_t* src, size_t n) {
  const size_t length = static_cast<size_t>(tls_aad_[11] << 8 | tls_aad_[12]);
  if (n != length + kAeadTagBytes) return std::nullopt;
  std::array<uint8_t, kChachaIvBytes> nonce;
  std::memcpy(nonce.data(), iv_.data(), nonce.size());
  for (size_t i = 0; i < 8; ++i) nonce[4 + i] = static_cast<uint8_t>(nonce[4 + i] ^ tls_aad_[i]);
  start_message(nonce);
  if (!seal_or_open(dst, src, length, encrypt_ ? dst + length : nullptr, encrypt_ ? nullptr : src + length))
    return std::nullopt;
  return encrypt_ ? n : length;
}

}  // namespace sluice
