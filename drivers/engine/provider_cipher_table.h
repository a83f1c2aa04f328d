// The functions by which OpenSSL reaches a cipher's context, the same for every kind of cipher.
//
// A Kind names its Context and has make, copy, init, update, finish, cipher, set_params, get_params, and the tables
// settable and gettable.
#pragma once

#include <openssl/core_dispatch.h>
#include <openssl/params.h>

#include <utility>

#include "base/bytes.h"
#include "drivers/engine/provider_context.h"

namespace sluice {

template <typename Kind>
class ProviderCipherTable {
 public:
  // Of a row of kServedCiphers.
  static const OSSL_DISPATCH* of(size_t row) { return choose(row, std::make_index_sequence<kServedCiphers.size()>()); }

 private:
  using Context = typename Kind::Context;
  static Context& context_of(void* context) { return *static_cast<Context*>(context); }

  template <size_t kRow>
  static void* make(void* provider) {
    return Kind::make(kServedCiphers[kRow], *static_cast<const ProviderContext*>(provider));
  }
  static void* copy(void* context) { return Kind::copy(context_of(context)); }
  static void drop(void* context) { delete static_cast<Context*>(context); }

  template <bool kEncrypt>
  static int init(void* context, const unsigned char* key, size_t key_bytes, const unsigned char* iv, size_t iv_bytes,
                  const OSSL_PARAM params[]) {
    const Bytes key_given{key, key ? key_bytes : 0}, iv_given{iv, iv ? iv_bytes : 0};
    return Kind::init(context_of(context), kEncrypt, key_given, iv_given, params) ? 1 : 0;
  }
  static int update(void* context, unsigned char* out, size_t* out_bytes, size_t room, const unsigned char* in,
                    size_t n) {
    return Kind::update(context_of(context), out, *out_bytes, room, in, n) ? 1 : 0;
  }
  static int finish(void* context, unsigned char* out, size_t* out_bytes, size_t room) {
    return Kind::finish(context_of(context), out, *out_bytes, room) ? 1 : 0;
  }
  static int cipher(void* context, unsigned char* out, size_t* out_bytes, size_t room, const unsigned char* in,
                    size_t n) {
    return Kind::cipher(context_of(context), out, *out_bytes, room, in, n) ? 1 : 0;
  }
  template <size_t kRow>
  static int facts(OSSL_PARAM params[]) {
    return provider_cipher_facts(kServedCiphers[kRow], params);
  }
  static int set_params(void* context, const OSSL_PARAM params[]) {
    return Kind::set_params(context_of(context), params) ? 1 : 0;
  }
  static int get_params(void* context, OSSL_PARAM params[]) {
    return Kind::get_params(context_of(context), params) ? 1 : 0;
  }
  static const OSSL_PARAM* settable(void*, void*) { return Kind::settable.data(); }
  static const OSSL_PARAM* gettable(void*, void*) { return Kind::gettable.data(); }

  template <size_t kRow>
  static inline const auto functions = std::to_array<OSSL_DISPATCH>({
      {OSSL_FUNC_CIPHER_NEWCTX, reinterpret_cast<DispatchFunction>(make<kRow>)},
      {OSSL_FUNC_CIPHER_FREECTX, reinterpret_cast<DispatchFunction>(drop)},
      {OSSL_FUNC_CIPHER_DUPCTX, reinterpret_cast<DispatchFunction>(copy)},
      {OSSL_FUNC_CIPHER_ENCRYPT_INIT, reinterpret_cast<DispatchFunction>(init<true>)},
      {OSSL_FUNC_CIPHER_DECRYPT_INIT, reinterpret_cast<DispatchFunction>(init<false>)},
      {OSSL_FUNC_CIPHER_UPDATE, reinterpret_cast<DispatchFunction>(update)},
      {OSSL_FUNC_CIPHER_FINAL, reinterpret_cast<DispatchFunction>(finish)},
      {OSSL_FUNC_CIPHER_CIPHER, reinterpret_cast<DispatchFunction>(cipher)},
      {OSSL_FUNC_CIPHER_GET_PARAMS, reinterpret_cast<DispatchFunction>(facts<kRow>)},
      {OSSL_FUNC_CIPHER_GETTABLE_PARAMS, reinterpret_cast<DispatchFunction>(provider_cipher_fact_names)},
      {OSSL_FUNC_CIPHER_GET_CTX_PARAMS, reinterpret_cast<DispatchFunction>(get_params)},
      {OSSL_FUNC_CIPHER_GETTABLE_CTX_PARAMS, reinterpret_cast<DispatchFunction>(gettable)},
      {OSSL_FUNC_CIPHER_SET_CTX_PARAMS, reinterpret_cast<DispatchFunction>(set_params)},
      {OSSL_FUNC_CIPHER_SETTABLE_CTX_PARAMS, reinterpret_cast<DispatchFunction>(settable)},
      {0, nullptr},
  });

  template <size_t... kRows>
  static const OSSL_DISPATCH* choose(size_t row, std::index_sequence<kRows...>) {
    static const std::array<const OSSL_DISPATCH*, sizeof...(kRows)> tables{functions<kRows>.data()...};
    return tables[row];
  }
};

}  // namespace sluice
