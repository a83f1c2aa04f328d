// AEADs in the provider's words: all that is theirs beside data comes and goes as OSSL_PARAM.
#include <openssl/core_names.h>

#include "drivers/engine/aead_context.h"
#include "drivers/engine/provider_cipher_table.h"

namespace sluice {
namespace {

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

bool set_aead_params(AeadContext& aead, const OSSL_PARAM params[]) {
  for (const OSSL_PARAM* p = params; p != nullptr && p->key != nullptr; ++p) {
    const std::string_view key = p->key;
    bool fine = true;
    if (key == OSSL_CIPHER_PARAM_IVLEN) {
      fine = take_iv_length(aead, p);
    } else if (key == OSSL_CIPHER_PARAM_AEAD_TAG || key == OSSL_CIPHER_PARAM_AEAD_TLS1_AAD ||
               key == OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED || key == OSSL_CIPHER_PARAM_AEAD_TLS1_SET_IV_INV) {
      fine = take_octets(aead, p);
    }
    if (!fine) return false;
  }
  return true;
}

bool give_iv(const AeadContext& aead, OSSL_PARAM* p) {
  const Bytes iv = aead.iv();
  if (p->data_type == OSSL_PARAM_OCTET_PTR) return OSSL_PARAM_set_octet_ptr(p, iv.data(), iv.size()) == 1;
  return OSSL_PARAM_set_octet_string(p, iv.data(), iv.size()) == 1;
}

bool get_aead_params(AeadContext& aead, OSSL_PARAM params[]) {
  for (OSSL_PARAM* p = params; p != nullptr && p->key != nullptr; ++p) {
    const std::string_view key = p->key;
    bool fine = true;
    if (key == OSSL_CIPHER_PARAM_IVLEN) {
      fine = OSSL_PARAM_set_size_t(p, aead.iv_bytes()) == 1;
    } else if (key == OSSL_CIPHER_PARAM_KEYLEN) {
      fine = OSSL_PARAM_set_size_t(p, aead.key_bytes()) == 1;
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
    if (!fine) return false;
  }
  return true;
}

struct AeadCipher {
  using Context = AeadContext;

  static Context* make(const ServedCipher& row, const ProviderContext&) {
    const AeadKind kind = row.mode == ServedMode::gcm ? AeadKind::gcm : AeadKind::chacha20_poly1305;
    auto made = AeadContext::make(kind, row.key_bytes);
    if (made) made->let_choose_iv();
    return made.release();
  }
  static Context* copy(const Context& context) { return context.clone().release(); }
  static bool init(Context& aead, bool encrypt, Bytes key, Bytes iv, const OSSL_PARAM params[]) {
    // The length of the IV may come with it.
    const OSSL_PARAM* length = params ? OSSL_PARAM_locate_const(params, OSSL_CIPHER_PARAM_IVLEN) : nullptr;
    if (length != nullptr && !take_iv_length(aead, length)) return false;
    return aead.init(encrypt, key, iv) && set_aead_params(aead, params);
  }
  static bool update(Context& aead, uint8_t* out, size_t& out_bytes, size_t room, const uint8_t* in, size_t n) {
    out_bytes = 0;
    if (n == 0) return true;
    if (out == nullptr) {
      out_bytes = n;
      return aead.add_aad({in, n});
    }
    if (room < n) return false;
    const auto written = aead.update(out, in, n);
    out_bytes = written.value_or(0);
    return written.has_value();
  }
  static bool finish(Context& aead, uint8_t*, size_t& out_bytes, size_t) {
    out_bytes = 0;
    return aead.finish();
  }
  // EVP_Cipher(): no input is the end.
  static bool cipher(Context& aead, uint8_t* out, size_t& out_bytes, size_t room, const uint8_t* in, size_t n) {
    if (in == nullptr) return finish(aead, out, out_bytes, room);
    return update(aead, out, out_bytes, room, in, n);
  }
  static bool set_params(Context& aead, const OSSL_PARAM params[]) { return set_aead_params(aead, params); }
  static bool get_params(Context& aead, OSSL_PARAM params[]) { return get_aead_params(aead, params); }

  static inline const auto settable = std::to_array<OSSL_PARAM>({
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, nullptr),
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, nullptr, 0),
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_AAD, nullptr, 0),
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED, nullptr, 0),
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_SET_IV_INV, nullptr, 0),
      OSSL_PARAM_END,
  });
  static inline const auto gettable = std::to_array<OSSL_PARAM>({
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, nullptr),
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, nullptr),
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TAGLEN, nullptr),
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_IV, nullptr, 0),
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_UPDATED_IV, nullptr, 0),
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, nullptr, 0),
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TLS1_AAD_PAD, nullptr),
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_GET_IV_GEN, nullptr, 0),
      OSSL_PARAM_END,
  });
};

}  // namespace

const OSSL_DISPATCH* provider_aead(size_t row) { return ProviderCipherTable<AeadCipher>::of(row); }

}  // namespace sluice
