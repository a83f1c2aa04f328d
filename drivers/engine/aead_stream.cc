// By ipsec-mb's direct calls, which keep all that they know in the context that they are given, and ChaCha20-Poly1305
// by our own code.
#include "drivers/engine/aead_stream.h"

#include <new>

#include "drivers/chacha20_poly1305.h"
#include "drivers/engine/imb_functions.h"
#include "drivers/engine/lent_device.h"

namespace sluice {
namespace {

// NIST SP 800-38D: the counter has 32 bits and the first two values are taken.
constexpr uint64_t kLongestGcm = (uint64_t{1} << 36) - 32;
// RFC 8439: 32 bits of blocks of 64 bytes, the first one taken.
constexpr uint64_t kLongestChacha = (uint64_t{1} << 38) - 64;

struct GcmFunctions {
  aes_gcm_pre_t expand;
  aes_gcm_init_t init;
  aes_gcm_init_var_iv_t init_any_iv;
  aes_gcm_enc_dec_update_t encrypt, decrypt;
  aes_gcm_enc_dec_finalize_t end_encrypt, end_decrypt;
};

GcmFunctions gcm_functions(const IMB_MGR& m, size_t key_bytes) {
  switch (key_bytes) {
    case 16:
      return {m.gcm128_pre,        m.gcm128_init,         m.gcm128_init_var_iv, m.gcm128_enc_update,
              m.gcm128_dec_update, m.gcm128_enc_finalize, m.gcm128_dec_finalize};
    case 24:
      return {m.gcm192_pre,        m.gcm192_init,         m.gcm192_init_var_iv, m.gcm192_enc_update,
              m.gcm192_dec_update, m.gcm192_enc_finalize, m.gcm192_dec_finalize};
    default:
      return {m.gcm256_pre,        m.gcm256_init,         m.gcm256_init_var_iv, m.gcm256_enc_update,
              m.gcm256_dec_update, m.gcm256_enc_finalize, m.gcm256_dec_finalize};
  }
}

const char* gcm_name(size_t key_bytes) {
  return key_bytes == 16 ? "AES-128-GCM" : key_bytes == 24 ? "AES-192-GCM" : "AES-256-GCM";
}

class GcmStream final : public AeadStream {
 public:
  GcmStream(const IMB_MGR& m, size_t key_bytes)
      : AeadStream(kLongestGcm, gcm_name(key_bytes)), functions_(gcm_functions(m, key_bytes)), key_bytes_(key_bytes) {}
  ~GcmStream() override {
    forget_held();
    LentDevice::forget(GcmStream::key());
    wipe(&key_, sizeof key_);
    wipe(&context_, sizeof context_);
  }
  std::unique_ptr<AeadStream> clone() const override { return std::make_unique<GcmStream>(*this); }
  bool set_key(Bytes key) override {
    if (key.size() != key_bytes_) return false;
    LentDevice::forget(GcmStream::key());
    forget_default();
    functions_.expand(key.data(), &key_);
    return true;
  }
  // An expanded key begins with the key itself.
  Bytes key() const override { return {key_.expanded_keys, key_bytes_}; }
  bool device_takes_it() const override { return true; }

 private:
  void begin(Bytes iv, Bytes aad) override {
    if (iv.size() == 12) {
      functions_.init(&key_, &context_, iv.data(), aad.data(), aad.size());
    } else {
      functions_.init_any_iv(&key_, &context_, iv.data(), iv.size(), aad.data(), aad.size());
    }
  }
  void run(bool encrypt, uint8_t* dst, const uint8_t* src, size_t n) override {
    (encrypt ? functions_.encrypt : functions_.decrypt)(&key_, &context_, dst, src, n);
  }
  void end(bool encrypt, uint8_t* tag) override {
    (encrypt ? functions_.end_encrypt : functions_.end_decrypt)(&key_, &context_, tag, kAeadTagBytes);
  }

  GcmFunctions functions_;
  size_t key_bytes_;
  alignas(64) gcm_key_data key_{};
  alignas(64) gcm_context_data context_{};
};

// Ours is the faster one (docs/ENGINE.md), but where the vector units have no multiplication for it: there that holds
// for what one pass makes the keystream of.
class ChachaAead final : public AeadStream {
 public:
  explicit ChachaAead(VectorLevel level)
      : AeadStream(kLongestChacha, "ChaCha20-Poly1305"),
        longest_start_(level == VectorLevel::avx512 ? kLongestChacha
                                                    : chacha_runs(level).one.bytes - kChachaBlockBytes),
        own_(level) {}
  ~ChachaAead() override { wipe(key_.data(), key_.size()); }
  std::unique_ptr<AeadStream> clone() const override { return std::make_unique<ChachaAead>(*this); }
  bool set_key(Bytes key) override {
    if (key.size() != key_.size()) return false;
    if (!equal_in_constant_time(key.data(), key_.data(), key.size())) forget_default();
    std::memcpy(key_.data(), key.data(), key.size());
    return true;
  }
  Bytes key() const override { return key_; }

 private:
  bool default_is_faster(size_t first_piece) const override { return first_piece > longest_start_; }
  void begin(Bytes iv, Bytes aad) override { own_.start(key_.data(), iv.data(), aad); }
  void run(bool encrypt, uint8_t* dst, const uint8_t* src, size_t n) override {
    encrypt ? own_.seal(dst, src, n) : own_.open(dst, src, n);
  }
  void end(bool, uint8_t* tag) override { own_.finish(tag); }

  const uint64_t longest_start_;
  alignas(64) std::array<uint8_t, 32> key_{};
  ChachaPoly own_;
};

}  // namespace

AeadStream::AeadStream(const AeadStream& o)
    : longest_(o.longest_),
      name_(o.name_),
      by_default_(o.handed_over_ ? o.by_default_->clone() : nullptr),
      handed_over_(o.handed_over_),
      length_(o.length_),
      begun_(o.begun_),
      iv_bytes_(o.iv_bytes_),
      iv_(o.iv_),
      aad_(o.aad_),
      held_(o.held_),
      held_encrypt_(o.held_encrypt_),
      expects_tag_(o.expects_tag_),
      device_tag_(o.device_tag_) {}

void AeadStream::set_iv(Bytes iv) {
  handed_over_ = false;
  iv_bytes_ = static_cast<uint8_t>(std::min(iv.size(), iv_.size()));
  std::memcpy(iv_.data(), iv.data(), iv_bytes_);
  aad_.clear();
  forget_held();
  expects_tag_ = false;
  length_ = 0;
  begun_ = false;
}

bool AeadStream::add_aad(bool encrypt, Bytes aad) {
  if (begun_ || !held_.empty() || length_ > 0) return false;
  if (!handed_over_ && aad.size() > kMostHeldAad - aad_.size() && !hand_over(encrypt)) return false;
  if (handed_over_) return by_default_->add_aad(aad);
  try {
    aad_.insert(aad_.end(), aad.begin(), aad.end());
  } catch (const std::bad_alloc&) {
    return false;
  }
  return true;
}

bool AeadStream::hand_over(bool encrypt) {
  if (!by_default_) by_default_ = DefaultAead::make(name_);
  handed_over_ =
      by_default_ && by_default_->begin(encrypt, key(), {iv_.data(), iv_bytes_}) && by_default_->add_aad(aad_);
  return handed_over_;
}

void AeadStream::begin_once() {
  if (begun_) return;
  // The library reads the pointer even when there is nothing behind it.
  static constexpr uint8_t kNone = 0;
  begin({iv_.data(), iv_bytes_}, {aad_.empty() ? &kNone : aad_.data(), aad_.size()});
  begun_ = true;
}

bool AeadStream::begin_with(bool encrypt, uint8_t* dst, const uint8_t* src, size_t n) {
  if (n > longest_ - length_) return false;
  // Without the default one ours does it.
  if (!begun_ && !handed_over_ && default_is_faster(n)) hand_over(encrypt);
  if (handed_over_) {
    length_ += n;
    return by_default_->update(dst, src, n);
  }
  if (!held_.empty() && n > 0) recompute_held();
  if (!begun_ && offer_to_device(encrypt, dst, src, n)) return true;
  begin_once();
  length_ += n;
  if (n > 0) run(encrypt, dst, src, n);
  return true;
}

void AeadStream::expect_tag(Bytes tag) {
  // The device has verified another one: finish() gives that, and the caller's comparison fails.
  if (!held_.empty()) return;
  expects_tag_ = tag.size() == device_tag_.size();
  if (expects_tag_) std::memcpy(device_tag_.data(), tag.data(), tag.size());
}

// Of records of SSH: one piece under four bytes of AAD. A device ends the message that it is given, so what went in is
// kept until it is known that it was all.
bool AeadStream::offer_to_device(bool encrypt, uint8_t* dst, const uint8_t* src, size_t n) {
  LentDevice* device = LentDevice::usable();
  if (device == nullptr || !LentDevice::fits(n) || aad_.size() != 4 || iv_bytes_ != 12) return false;
  if (!device_takes_it() || (!encrypt && !expects_tag_)) return false;
  try {
    held_.assign(src, src + n);
  } catch (const std::bad_alloc&) {
    return false;
  }
  const auto direction = encrypt ? Direction::seal : Direction::open;
  if (!device->run_gcm(key(), direction, {iv_.data(), iv_bytes_}, aad_, dst, src, n, device_tag_.data())) {
    forget_held();
    return false;
  }
  held_encrypt_ = encrypt;
  length_ = n;
  return true;
}

void AeadStream::recompute_held() {
  begin_once();
  run(held_encrypt_, held_.data(), held_.data(), held_.size());
  forget_held();
}

void AeadStream::forget_default() {
  handed_over_ = false;
  by_default_.reset();
}

void AeadStream::forget_held() {
  wipe(held_.data(), held_.size());
  held_.clear();
}

void AeadStream::finish(bool encrypt, MutableBytes tag) {
  if (handed_over_) return by_default_->finish(tag);
  if (!held_.empty()) {
    // An open was verified by the device.
    std::memcpy(tag.data(), device_tag_.data(), device_tag_.size());
    return forget_held();
  }
  begin_once();
  end(encrypt, tag.data());
}

std::unique_ptr<AeadStream> make_aead_stream(AeadKind kind, size_t key_bytes, VectorLevel level) {
  const IMB_MGR* m = imb_functions();
  if (m == nullptr) return nullptr;
  if (kind == AeadKind::gcm) return std::unique_ptr<AeadStream>(new (std::nothrow) GcmStream(*m, key_bytes));
  return std::unique_ptr<AeadStream>(new (std::nothrow) ChachaAead(level));
}

}  // namespace sluice
