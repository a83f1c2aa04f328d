// HMAC in the provider's words. Digests that are none of ours, and records of TLS whose length must not show in the
// time, are the default provider's.
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <memory>
#include <new>
#include <string>
#include <vector>

#include "drivers/engine/hmac_stream.h"
#include "drivers/engine/provider_context.h"

namespace sluice {
namespace {

struct FreeMac {
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};

class MacContext {
 public:
  explicit MacContext(const ProviderContext& provider) : provider_(&provider) {}
  MacContext(const MacContext& o)
      : provider_(o.provider_),
        digest_(o.digest_),
        stream_(o.stream_),
        key_(o.key_),
        has_key_(o.has_key_),
        by_default_(o.by_default_ ? EVP_MAC_CTX_dup(o.by_default_.get()) : nullptr),
        whole_(!o.by_default_ || by_default_) {}
  MacContext& operator=(const MacContext&) = delete;
  ~MacContext() { wipe(key_.data(), key_.size()); }
  // False for a copy for which there was no memory.
  bool whole() const { return whole_; }

  bool set_params(const OSSL_PARAM params[]);
  bool init(Bytes key, const OSSL_PARAM params[]);
  bool update(Bytes piece);
  bool finish(uint8_t* out, size_t& n, size_t room);
  bool get_params(OSSL_PARAM params[]) const;

 private:
  bool choose(const OSSL_PARAM* digest, const OSSL_PARAM* properties);
  bool take_key(Bytes key);
  bool hand_over(const OSSL_PARAM params[]);

  const ProviderContext* provider_;
  const HmacStream::Digest* digest_ = nullptr;
  HmacStream stream_;
  // For another digest, with which it is set up anew.
  std::vector<uint8_t> key_;
  bool has_key_ = false;
  std::unique_ptr<EVP_MAC_CTX, FreeMac> by_default_;
  bool whole_ = true;
};

MacContext& context_of(void* context) { return *static_cast<MacContext*>(context); }

// The digest may have any of the names that libcrypto knows for it.
bool MacContext::choose(const OSSL_PARAM* digest, const OSSL_PARAM* properties) {
  const char* name = nullptr;
  const char* wanted = nullptr;
  if (OSSL_PARAM_get_utf8_string_ptr(digest, &name) != 1) return false;
  if (properties != nullptr && OSSL_PARAM_get_utf8_string_ptr(properties, &wanted) != 1) return false;
  digest_ = wanted == nullptr || *wanted == 0 ? HmacStream::find(name) : nullptr;
  if (digest_ == nullptr && (wanted == nullptr || *wanted == 0)) {
    EVP_MD* md = EVP_MD_fetch(provider_->library, name, nullptr);
    for (size_t i = 0; md != nullptr && i < HmacStream::kDigests; ++i)
      if (EVP_MD_is_a(md, HmacStream::name_at(i)) == 1) digest_ = HmacStream::find(HmacStream::name_at(i));
    EVP_MD_free(md);
  }
  return true;
}

bool MacContext::take_key(Bytes key) {
  if (key.data() != key_.data()) {
    try {
      std::vector<uint8_t> copy(key.begin(), key.end());
      wipe(key_.data(), key_.size());
      key_ = std::move(copy);
    } catch (const std::bad_alloc&) {
      return false;
    }
  }
  has_key_ = true;
  if (by_default_) return EVP_MAC_init(by_default_.get(), key_.data(), key_.size(), nullptr) == 1;
  if (digest_ != nullptr) stream_.set_key(*digest_, key_);
  return digest_ != nullptr;
}

bool MacContext::hand_over(const OSSL_PARAM params[]) {
  if (!by_default_) {
    EVP_MAC* mac = EVP_MAC_fetch(provider_->library, "HMAC", "provider=default");
    by_default_.reset(mac != nullptr ? EVP_MAC_CTX_new(mac) : nullptr);
    EVP_MAC_free(mac);
    if (!by_default_) return false;
    if (digest_ != nullptr) {
      // The digest that was ours until now.
      std::string name;
      for (size_t i = 0; i < HmacStream::kDigests; ++i)
        if (HmacStream::find(HmacStream::name_at(i)) == digest_) name = HmacStream::name_at(i);
      const OSSL_PARAM digest[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0),
                                   OSSL_PARAM_construct_end()};
      if (EVP_MAC_CTX_set_params(by_default_.get(), digest) != 1) return false;
    }
  }
  return EVP_MAC_CTX_set_params(by_default_.get(), params) == 1;
}

bool MacContext::set_params(const OSSL_PARAM params[]) {
  if (params == nullptr || params->key == nullptr) return true;
  const OSSL_PARAM* digest = OSSL_PARAM_locate_const(params, OSSL_MAC_PARAM_DIGEST);
  const OSSL_PARAM* tls = OSSL_PARAM_locate_const(params, OSSL_MAC_PARAM_TLS_DATA_SIZE);
  const OSSL_PARAM* key = OSSL_PARAM_locate_const(params, OSSL_MAC_PARAM_KEY);
  if (digest != nullptr && !by_default_) {
    if (!choose(digest, OSSL_PARAM_locate_const(params, OSSL_MAC_PARAM_PROPERTIES))) return false;
    if (digest_ != nullptr && has_key_) stream_.set_key(*digest_, key_);
  }
  const bool flags = OSSL_PARAM_locate_const(params, OSSL_MAC_PARAM_DIGEST_NOINIT) != nullptr ||
                     OSSL_PARAM_locate_const(params, OSSL_MAC_PARAM_DIGEST_ONESHOT) != nullptr;
  const bool ours = !by_default_ && tls == nullptr && !flags && (digest == nullptr || digest_ != nullptr);
  if (!ours) {
    const bool first = !by_default_;
    if (!hand_over(params)) return false;
    // A key among the parameters is set with them.
    if (first && has_key_ && key == nullptr) return take_key(key_);
    return true;
  }
  if (key == nullptr) return true;
  return key->data_type == OSSL_PARAM_OCTET_STRING &&
         take_key({static_cast<const uint8_t*>(key->data), key->data_size});
}

bool MacContext::init(Bytes key, const OSSL_PARAM params[]) {
  if (!set_params(params)) return false;
  if (key.data() != nullptr) return take_key(key);
  if (by_default_) return EVP_MAC_init(by_default_.get(), nullptr, 0, nullptr) == 1;
  if (!stream_.keyed()) return false;
  stream_.restart();
  return true;
}

bool MacContext::update(Bytes piece) {
  if (by_default_) return EVP_MAC_update(by_default_.get(), piece.data(), piece.size()) == 1;
  if (!stream_.keyed()) return false;
  if (!piece.empty()) stream_.update(piece);
  return true;
}

bool MacContext::finish(uint8_t* out, size_t& n, size_t room) {
  if (by_default_) return EVP_MAC_final(by_default_.get(), out, &n, room) == 1;
  if (!stream_.keyed() || room < HmacStream::bytes_of(*digest_)) return false;
  n = HmacStream::bytes_of(*digest_);
  stream_.finish(out);
  return true;
}

bool MacContext::get_params(OSSL_PARAM params[]) const {
  if (by_default_) return EVP_MAC_CTX_get_params(by_default_.get(), params) == 1;
  OSSL_PARAM* size = OSSL_PARAM_locate(params, OSSL_MAC_PARAM_SIZE);
  OSSL_PARAM* block = OSSL_PARAM_locate(params, OSSL_MAC_PARAM_BLOCK_SIZE);
  return (size == nullptr || OSSL_PARAM_set_size_t(size, digest_ ? HmacStream::bytes_of(*digest_) : 0) == 1) &&
         (block == nullptr || OSSL_PARAM_set_size_t(block, digest_ ? HmacStream::block_of(*digest_) : 0) == 1);
}

void* make(void* provider) { return new (std::nothrow) MacContext(*static_cast<ProviderContext*>(provider)); }

void* copy(void* context) {
  try {
    auto twin = std::make_unique<MacContext>(context_of(context));
    return twin->whole() ? twin.release() : nullptr;
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void drop(void* context) { delete static_cast<MacContext*>(context); }

int init(void* context, const unsigned char* key, size_t n, const OSSL_PARAM params[]) {
  return context_of(context).init({key, key ? n : 0}, params) ? 1 : 0;
}

int update(void* context, const unsigned char* data, size_t n) { return context_of(context).update({data, n}) ? 1 : 0; }

int finish(void* context, unsigned char* out, size_t* n, size_t room) {
  return context_of(context).finish(out, *n, room) ? 1 : 0;
}

int set_params(void* context, const OSSL_PARAM params[]) { return context_of(context).set_params(params) ? 1 : 0; }
int get_params(void* context, OSSL_PARAM params[]) { return context_of(context).get_params(params) ? 1 : 0; }

const OSSL_PARAM* settable(void*, void*) {
  static const OSSL_PARAM kNames[] = {
      OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, nullptr, 0),
      OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_PROPERTIES, nullptr, 0),
      OSSL_PARAM_octet_string(OSSL_MAC_PARAM_KEY, nullptr, 0),
      OSSL_PARAM_int(OSSL_MAC_PARAM_DIGEST_NOINIT, nullptr),
      OSSL_PARAM_int(OSSL_MAC_PARAM_DIGEST_ONESHOT, nullptr),
      OSSL_PARAM_size_t(OSSL_MAC_PARAM_TLS_DATA_SIZE, nullptr),
      OSSL_PARAM_END,
  };
  return kNames;
}

const OSSL_PARAM* gettable(void*, void*) {
  static const OSSL_PARAM kNames[] = {
      OSSL_PARAM_size_t(OSSL_MAC_PARAM_SIZE, nullptr),
      OSSL_PARAM_size_t(OSSL_MAC_PARAM_BLOCK_SIZE, nullptr),
      OSSL_PARAM_END,
  };
  return kNames;
}

const OSSL_DISPATCH kFunctions[] = {
    {OSSL_FUNC_MAC_NEWCTX, reinterpret_cast<DispatchFunction>(make)},
    {OSSL_FUNC_MAC_DUPCTX, reinterpret_cast<DispatchFunction>(copy)},
    {OSSL_FUNC_MAC_FREECTX, reinterpret_cast<DispatchFunction>(drop)},
    {OSSL_FUNC_MAC_INIT, reinterpret_cast<DispatchFunction>(init)},
    {OSSL_FUNC_MAC_UPDATE, reinterpret_cast<DispatchFunction>(update)},
    {OSSL_FUNC_MAC_FINAL, reinterpret_cast<DispatchFunction>(finish)},
    {OSSL_FUNC_MAC_GETTABLE_CTX_PARAMS, reinterpret_cast<DispatchFunction>(gettable)},
    {OSSL_FUNC_MAC_GET_CTX_PARAMS, reinterpret_cast<DispatchFunction>(get_params)},
    {OSSL_FUNC_MAC_SETTABLE_CTX_PARAMS, reinterpret_cast<DispatchFunction>(settable)},
    {OSSL_FUNC_MAC_SET_CTX_PARAMS, reinterpret_cast<DispatchFunction>(set_params)},
    {0, nullptr},
};

}  // namespace

const OSSL_DISPATCH* provider_hmac() { return kFunctions; }

}  // namespace sluice
