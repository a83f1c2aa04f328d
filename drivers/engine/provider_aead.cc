// AEADs in the provider's words: all that is theirs beside data comes and goes as OSSL_PARAM.
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>

#include <utility>

#include "drivers/engine/aead_context.h"
#include "drivers/engine/provider_context.h"

namespace sluice {
namespace {

AeadContext& context_of(void* context) { return *static_cast<AeadContext*>(context); }

template <size_t kRow>
void* make(void* provider) {
  constexpr const ServedCipher& row = kServedCiphers[kRow];
  const AeadKind kind = row.mode == ServedMode::gcm ? AeadKind::gcm : AeadKind::chacha20_poly1305;
  return AeadContext::make(kind, row.key_bytes, static_cast<ProviderContext*>(provider)->library).release();
}

void* copy(void* context) { return context_of(context).clone().release(); }
void drop(void* context) { delete static_cast<AeadContext*>(context); }

// Of a parameter that is bytes, or nothing.
std::optional<MutableBytes> octets(const OSSL_PARAM* p) {
  if (p->data_type != OSSL_PARAM_OCTET_STRING) return std::nullopt;
  return MutableBytes{static_cast<uint8_t*>(p->data), p->data_size};
}

bool take_iv_length(AeadContext& aead, const OSSL_PARAM* p) {
  size_t n = 0;
  return OSSL_PARAM_get_size_t(p, &n) == 1 && aead.set_iv_bytes(n);
}

bool take_octets(AeadContext& aead, const OSSL_PARAM* p) {
  const auto bytes = octets(p);
  if (!bytes) return false;
  const std::string_view key = p->key;
  if (key == OSSL_CIPHER_PARAM_AEAD_TAG) return aead.set_tag(*bytes);
  if (key == OSSL_CIPHER_PARAM_AEAD_TLS1_AAD) return aead.set_tls_aad(*bytes).has_value();
  if (key == OSSL_CIPHER_PARAM_AEAD_TLS1_SET_IV_INV) return aead.set_invocation(*bytes);
  // All of the IV where no length is given.
  if (bytes->size() == static_cast<size_t>(-1)) return aead.set_whole_iv({bytes->data(), aead.iv_bytes()});
  return aead.set_fixed_iv(*bytes);
}

int set_params(void* context, const OSSL_PARAM params[]) {
  AeadContext& aead = context_of(context);
  for (const OSSL_PARAM* p = params; p != nullptr && p->key != nullptr; ++p) {
    const std::string_view key = p->key;
    bool fine = true;
    if (key == OSSL_CIPHER_PARAM_IVLEN) {
      fine = take_iv_length(aead, p);
    } else if (key == OSSL_CIPHER_PARAM_AEAD_TAG || key == OSSL_CIPHER_PARAM_AEAD_TLS1_AAD ||
               key == OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED || key == OSSL_CIPHER_PARAM_AEAD_TLS1_SET_IV_INV) {
      fine = take_octets(aead, p);
    }
    if (!fine) return 0;
  }
  return 1;
}

bool give_iv(const AeadContext& aead, OSSL_PARAM* p) {
  const Bytes iv = aead.iv();
  if (p->data_type == OSSL_PARAM_OCTET_PTR) return OSSL_PARAM_set_octet_ptr(p, iv.data(), iv.size()) == 1;
  return p->data_size >= iv.size() && OSSL_PARAM_set_octet_string(p, iv.data(), iv.size()) == 1;
}

template <size_t kRow>
int get_params(void* context, OSSL_PARAM params[]) {
  AeadContext& aead = context_of(context);
  for (OSSL_PARAM* p = params; p != nullptr && p->key != nullptr; ++p) {
    const std::string_view key = p->key;
    bool fine = true;
    if (key == OSSL_CIPHER_PARAM_IVLEN) {
      fine = OSSL_PARAM_set_size_t(p, aead.iv_bytes()) == 1;
    } else if (key == OSSL_CIPHER_PARAM_KEYLEN) {
      fine = OSSL_PARAM_set_size_t(p, kServedCiphers[kRow].key_bytes) == 1;
    } else if (key == OSSL_CIPHER_PARAM_AEAD_TAGLEN) {
      fine = OSSL_PARAM_set_size_t(p, aead.tag_bytes() != 0 ? aead.tag_bytes() : kAeadTagBytes) == 1;
    } else if (key == OSSL_CIPHER_PARAM_AEAD_TLS1_AAD_PAD) {
      fine = OSSL_PARAM_set_size_t(p, aead.tls_pad()) == 1;
    } else if (key == OSSL_CIPHER_PARAM_IV || key == OSSL_CIPHER_PARAM_UPDATED_IV) {
      fine = give_iv(aead, p);
    } else if (key == OSSL_CIPHER_PARAM_AEAD_TAG) {
      const auto bytes = octets(p);
      fine = bytes && aead.get_tag(*bytes);
    } else if (key == OSSL_CIPHER_PARAM_AEAD_TLS1_GET_IV_GEN) {
      const auto bytes = octets(p);
      fine = bytes && aead.next_iv({bytes->data(), bytes->empty() ? aead.iv_bytes() : bytes->size()});
    }
    if (!fine) return 0;
  }
  return 1;
}

const OSSL_PARAM* settable(void*, void*) {
  static const OSSL_PARAM kNames[] = {
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, nullptr),
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, nullptr, 0),
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_AAD, nullptr, 0),
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED, nullptr, 0),
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_SET_IV_INV, nullptr, 0),
      OSSL_PARAM_END,
  };
  return kNames;
}

const OSSL_PARAM* gettable(void*, void*) {
  static const OSSL_PARAM kNames[] = {
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, nullptr),
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, nullptr),
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TAGLEN, nullptr),
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_IV, nullptr, 0),
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_UPDATED_IV, nullptr, 0),
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, nullptr, 0),
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TLS1_AAD_PAD, nullptr),
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_GET_IV_GEN, nullptr, 0),
      OSSL_PARAM_END,
  };
  return kNames;
}

int init(void* context, bool encrypt, Bytes key, Bytes iv, const OSSL_PARAM params[]) {
  AeadContext& aead = context_of(context);
  // The length of the IV may come with it.
  const OSSL_PARAM* length = params ? OSSL_PARAM_locate_const(params, OSSL_CIPHER_PARAM_IVLEN) : nullptr;
  if (length != nullptr && !take_iv_length(aead, length)) return 0;
  return aead.init(encrypt, key, iv) ? set_params(context, params) : 0;
}

int init_encrypt(void* context, const unsigned char* key, size_t key_bytes, const unsigned char* iv, size_t iv_bytes,
                 const OSSL_PARAM params[]) {
  return init(context, true, {key, key ? key_bytes : 0}, {iv, iv ? iv_bytes : 0}, params);
}

int init_decrypt(void* context, const unsigned char* key, size_t key_bytes, const unsigned char* iv, size_t iv_bytes,
                 const OSSL_PARAM params[]) {
  return init(context, false, {key, key ? key_bytes : 0}, {iv, iv ? iv_bytes : 0}, params);
}

int update(void* context, unsigned char* out, size_t* out_bytes, size_t room, const unsigned char* in, size_t n) {
  *out_bytes = 0;
  if (n == 0) return 1;
  AeadContext& aead = context_of(context);
  if (out == nullptr) {
    *out_bytes = n;
    return aead.add_aad({in, n}) ? 1 : 0;
  }
  if (room < n) return 0;
  const auto written = aead.update(out, in, n);
  *out_bytes = written.value_or(0);
  return written ? 1 : 0;
}

int finish(void* context, unsigned char*, size_t* out_bytes, size_t) {
  *out_bytes = 0;
  return context_of(context).finish() ? 1 : 0;
}

// EVP_Cipher(): no input is the end.
int cipher(void* context, unsigned char* out, size_t* out_bytes, size_t room, const unsigned char* in, size_t n) {
  if (in == nullptr) return finish(context, out, out_bytes, room);
  return update(context, out, out_bytes, room, in, n);
}

template <size_t kRow>
int facts(OSSL_PARAM params[]) {
  return provider_cipher_facts(kServedCiphers[kRow], params);
}

template <size_t kRow>
const auto kAeadFunctions = std::to_array<OSSL_DISPATCH>({
    {OSSL_FUNC_CIPHER_NEWCTX, reinterpret_cast<DispatchFunction>(make<kRow>)},
    {OSSL_FUNC_CIPHER_FREECTX, reinterpret_cast<DispatchFunction>(drop)},
    {OSSL_FUNC_CIPHER_DUPCTX, reinterpret_cast<DispatchFunction>(copy)},
    {OSSL_FUNC_CIPHER_ENCRYPT_INIT, reinterpret_cast<DispatchFunction>(init_encrypt)},
    {OSSL_FUNC_CIPHER_DECRYPT_INIT, reinterpret_cast<DispatchFunction>(init_decrypt)},
    {OSSL_FUNC_CIPHER_UPDATE, reinterpret_cast<DispatchFunction>(update)},
    {OSSL_FUNC_CIPHER_FINAL, reinterpret_cast<DispatchFunction>(finish)},
    {OSSL_FUNC_CIPHER_CIPHER, reinterpret_cast<DispatchFunction>(cipher)},
    {OSSL_FUNC_CIPHER_GET_PARAMS, reinterpret_cast<DispatchFunction>(facts<kRow>)},
    {OSSL_FUNC_CIPHER_GETTABLE_PARAMS, reinterpret_cast<DispatchFunction>(provider_cipher_fact_names)},
    {OSSL_FUNC_CIPHER_GET_CTX_PARAMS, reinterpret_cast<DispatchFunction>(get_params<kRow>)},
    {OSSL_FUNC_CIPHER_GETTABLE_CTX_PARAMS, reinterpret_cast<DispatchFunction>(gettable)},
    {OSSL_FUNC_CIPHER_SET_CTX_PARAMS, reinterpret_cast<DispatchFunction>(set_params)},
    {OSSL_FUNC_CIPHER_SETTABLE_CTX_PARAMS, reinterpret_cast<DispatchFunction>(settable)},
    {0, nullptr},
});

template <size_t... kRows>
const OSSL_DISPATCH* choose(size_t row, std::index_sequence<kRows...>) {
  static const std::array<const OSSL_DISPATCH*, sizeof...(kRows)> functions{kAeadFunctions<kRows>.data()...};
  return functions[row];
}

}  // namespace

const OSSL_DISPATCH* provider_aead(size_t row) {
  return choose(row, std::make_index_sequence<kServedCiphers.size()>());
}

}  // namespace sluice
