// What our provider is besides its ciphers: its facts, the list of what it serves, its end.
#include "drivers/engine/provider_start.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

#include <new>

#include "drivers/engine/imb_functions.h"
#include "drivers/engine/provider_context.h"

namespace sluice {
namespace {

constexpr const char* kProperties = "provider=sluice";

ProviderContext& context_of(void* provider) { return *static_cast<ProviderContext*>(provider); }

const OSSL_PARAM* fact_names(void*) {
  static const OSSL_PARAM kNames[] = {
      {OSSL_PROV_PARAM_NAME, OSSL_PARAM_UTF8_PTR, nullptr, 0, 0},
      {OSSL_PROV_PARAM_VERSION, OSSL_PARAM_UTF8_PTR, nullptr, 0, 0},
      {OSSL_PROV_PARAM_BUILDINFO, OSSL_PARAM_UTF8_PTR, nullptr, 0, 0},
      {OSSL_PROV_PARAM_STATUS, OSSL_PARAM_INTEGER, nullptr, 0, 0},
      OSSL_PARAM_END,
  };
  return kNames;
}

bool answer(OSSL_PARAM params[], const char* name, const char* text) {
  OSSL_PARAM* p = OSSL_PARAM_locate(params, name);
  return p == nullptr || OSSL_PARAM_set_utf8_ptr(p, text) == 1;
}

int facts(void*, OSSL_PARAM params[]) {
  OSSL_PARAM* status = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_STATUS);
  const bool fine = answer(params, OSSL_PROV_PARAM_NAME, "Sluice: ciphers on the CPU's vector units") &&
                    answer(params, OSSL_PROV_PARAM_VERSION, SLUICE_VERSION) &&
                    answer(params, OSSL_PROV_PARAM_BUILDINFO, SLUICE_VERSION " on ipsec-mb") &&
                    (status == nullptr || OSSL_PARAM_set_int(status, imb_functions() != nullptr ? 1 : 0) == 1);
  return fine ? 1 : 0;
}

const OSSL_ALGORITHM* query(void* provider, int operation, int* no_cache) {
  *no_cache = 0;
  const ProviderContext& context = context_of(provider);
  return operation == OSSL_OP_CIPHER ? context.served.data() : operation == OSSL_OP_MAC ? context.macs.data() : nullptr;
}

void serve(ProviderContext& context, const ServedModes& modes) {
  if (modes.has(ServedMode::hmac)) context.macs[0] = {"HMAC", kProperties, provider_hmac(), nullptr};
  // A CPU without them: a provider of nothing, so that the default one serves.
  if (imb_functions() == nullptr) return;
  size_t count = 0;
  for (size_t i = 0; i < kServedCiphers.size(); ++i) {
    if (!modes.has(kServedCiphers[i].mode)) continue;
    context.served[count++] = {kServedCiphers[i].names, kProperties, provider_cipher(i), nullptr};
  }
}

void teardown(void* provider) {
  OSSL_LIB_CTX_free(context_of(provider).library);
  delete &context_of(provider);
}

const OSSL_DISPATCH kFunctions[] = {
    {OSSL_FUNC_PROVIDER_TEARDOWN, reinterpret_cast<DispatchFunction>(teardown)},
    {OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, reinterpret_cast<DispatchFunction>(fact_names)},
    {OSSL_FUNC_PROVIDER_GET_PARAMS, reinterpret_cast<DispatchFunction>(facts)},
    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, reinterpret_cast<DispatchFunction>(query)},
    {0, nullptr},
};

}  // namespace

const OSSL_DISPATCH* provider_cipher(size_t row) {
  const ServedMode mode = kServedCiphers[row].mode;
  return mode == ServedMode::ctr || mode == ServedMode::cbc ? provider_block_cipher(row) : provider_aead(row);
}

const OSSL_PARAM* provider_cipher_fact_names(void*) {
  static const OSSL_PARAM kNames[] = {
      OSSL_PARAM_uint(OSSL_CIPHER_PARAM_MODE, nullptr),
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, nullptr),
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, nullptr),
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_BLOCK_SIZE, nullptr),
      OSSL_PARAM_int(OSSL_CIPHER_PARAM_AEAD, nullptr),
      OSSL_PARAM_int(OSSL_CIPHER_PARAM_CUSTOM_IV, nullptr),
      OSSL_PARAM_int(OSSL_CIPHER_PARAM_CTS, nullptr),
      OSSL_PARAM_int(OSSL_CIPHER_PARAM_HAS_RAND_KEY, nullptr),
      OSSL_PARAM_int(OSSL_CIPHER_PARAM_TLS1_MULTIBLOCK, nullptr),
      OSSL_PARAM_END,
  };
  return kNames;
}

int provider_cipher_facts(const ServedCipher& row, OSSL_PARAM params[]) {
  const bool gcm = row.mode == ServedMode::gcm;
  const bool aead = gcm || row.mode == ServedMode::chacha20_poly1305;
  const unsigned mode = row.mode == ServedMode::ctr   ? EVP_CIPH_CTR_MODE
                        : row.mode == ServedMode::cbc ? EVP_CIPH_CBC_MODE
                        : gcm                         ? EVP_CIPH_GCM_MODE
                                                      : 0;
  const auto size = [&](const char* name, size_t value) {
    OSSL_PARAM* p = OSSL_PARAM_locate(params, name);
    return p == nullptr || OSSL_PARAM_set_size_t(p, value) == 1;
  };
  const auto flag = [&](const char* name, bool value) {
    OSSL_PARAM* p = OSSL_PARAM_locate(params, name);
    return p == nullptr || OSSL_PARAM_set_int(p, value ? 1 : 0) == 1;
  };
  OSSL_PARAM* p = OSSL_PARAM_locate(params, OSSL_CIPHER_PARAM_MODE);
  const bool fine = (p == nullptr || OSSL_PARAM_set_uint(p, mode) == 1) &&
                    size(OSSL_CIPHER_PARAM_KEYLEN, row.key_bytes) && size(OSSL_CIPHER_PARAM_IVLEN, aead ? 12 : 16) &&
                    size(OSSL_CIPHER_PARAM_BLOCK_SIZE, row.mode == ServedMode::cbc ? 16 : 1) &&
                    flag(OSSL_CIPHER_PARAM_AEAD, aead) && flag(OSSL_CIPHER_PARAM_CUSTOM_IV, aead) &&
                    flag(OSSL_CIPHER_PARAM_CTS, false) && flag(OSSL_CIPHER_PARAM_HAS_RAND_KEY, false) &&
                    flag(OSSL_CIPHER_PARAM_TLS1_MULTIBLOCK, false);
  return fine ? 1 : 0;
}

int start_provider(const ServedModes& modes, OSSL_LIB_CTX* library, const OSSL_DISPATCH** out, void** provider) {
  auto* context = new (std::nothrow) ProviderContext;
  if (context == nullptr) return 0;
  serve(*context, modes);
  context->library = library;
  *out = kFunctions;
  *provider = context;
  return 1;
}

}  // namespace sluice
