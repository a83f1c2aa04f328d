// The default provider of a library context that is ours alone: whatever the program loads or prefers is not asked.
#include "drivers/engine/default_aead.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include <new>
#include <string_view>

namespace sluice {
namespace {

// For the life of the process, like the modules.
OSSL_PROVIDER* default_provider() {
  static OSSL_PROVIDER* const provider = [] {
    OSSL_LIB_CTX* library = OSSL_LIB_CTX_new();
    return library != nullptr ? OSSL_PROVIDER_load(library, "default") : nullptr;
  }();
  return provider;
}

const OSSL_DISPATCH* implementation(OSSL_PROVIDER* provider, std::string_view name) {
  int no_cache = 0;
  const OSSL_ALGORITHM* row = OSSL_PROVIDER_query_operation(provider, OSSL_OP_CIPHER, &no_cache);
  for (; row != nullptr && row->algorithm_names != nullptr; ++row) {
    const std::string_view names = row->algorithm_names;
    if (names.substr(0, names.find(':')) == name) return row->implementation;
  }
  return nullptr;
}

}  // namespace

std::optional<DefaultAead::Functions> DefaultAead::find(const char* name) {
  OSSL_PROVIDER* provider = default_provider();
  const OSSL_DISPATCH* row = provider != nullptr ? implementation(provider, name) : nullptr;
  if (row == nullptr) return std::nullopt;
  Functions found;
  found.provider = OSSL_PROVIDER_get0_provider_ctx(provider);
  for (; row->function_id != 0; ++row) {
    switch (row->function_id) {
      case OSSL_FUNC_CIPHER_NEWCTX: found.make = OSSL_FUNC_cipher_newctx(row); break;
      case OSSL_FUNC_CIPHER_FREECTX: found.drop = OSSL_FUNC_cipher_freectx(row); break;
      case OSSL_FUNC_CIPHER_DUPCTX: found.copy = OSSL_FUNC_cipher_dupctx(row); break;
      case OSSL_FUNC_CIPHER_ENCRYPT_INIT: found.seal = OSSL_FUNC_cipher_encrypt_init(row); break;
      case OSSL_FUNC_CIPHER_DECRYPT_INIT: found.open = OSSL_FUNC_cipher_decrypt_init(row); break;
      case OSSL_FUNC_CIPHER_UPDATE: found.update = OSSL_FUNC_cipher_update(row); break;
      case OSSL_FUNC_CIPHER_FINAL: found.finish = OSSL_FUNC_cipher_final(row); break;
      case OSSL_FUNC_CIPHER_GET_CTX_PARAMS: found.get = OSSL_FUNC_cipher_get_ctx_params(row); break;
      case OSSL_FUNC_CIPHER_SET_CTX_PARAMS: found.set = OSSL_FUNC_cipher_set_ctx_params(row); break;
      default: break;
    }
  }
  // A copy of a context is refused where there is none of it.
  const bool whole =
      found.make && found.drop && found.seal && found.open && found.update && found.finish && found.get && found.set;
  return whole ? std::optional(found) : std::nullopt;
}

std::unique_ptr<DefaultAead> DefaultAead::make(const char* name) {
  const auto functions = find(name);
  void* context = functions ? functions->make(functions->provider) : nullptr;
  if (context == nullptr) return nullptr;
  std::unique_ptr<DefaultAead> made(new (std::nothrow) DefaultAead(*functions, context));
  if (!made) functions->drop(context);
  return made;
}

DefaultAead::~DefaultAead() { functions_.drop(context_); }

std::unique_ptr<DefaultAead> DefaultAead::clone() const {
  void* context = functions_.copy != nullptr ? functions_.copy(context_) : nullptr;
  if (context == nullptr) throw std::bad_alloc();
  std::unique_ptr<DefaultAead> twin(new (std::nothrow) DefaultAead(functions_, context));
  if (!twin) {
    functions_.drop(context);
    throw std::bad_alloc();
  }
  twin->encrypt_ = encrypt_;
  return twin;
}

bool DefaultAead::begin(bool encrypt, Bytes key, Bytes iv) {
  encrypt_ = encrypt;
  size_t iv_bytes = iv.size();
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t(OSSL_CIPHER_PARAM_IVLEN, &iv_bytes),
                               OSSL_PARAM_construct_end()};
  const auto init = encrypt ? functions_.seal : functions_.open;
  return functions_.set(context_, params) == 1 &&
         init(context_, key.data(), key.size(), iv.data(), iv.size(), nullptr) == 1;
}

bool DefaultAead::add_aad(Bytes aad) { return update(nullptr, aad.data(), aad.size()); }

bool DefaultAead::update(uint8_t* dst, const uint8_t* src, size_t n) {
  size_t written = 0;
  return n == 0 || functions_.update(context_, dst, &written, n, src, n) == 1;
}

void DefaultAead::finish(MutableBytes tag) {
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag.data(), tag.size()),
                               OSSL_PARAM_construct_end()};
  OSSL_PARAM asked[] = {params[0], params[1]};
  uint8_t nothing = 0;
  size_t written = 0;
  bool right = encrypt_ || functions_.set(context_, params) == 1;
  right = functions_.finish(context_, &nothing, &written, 0) == 1 && right;
  if (encrypt_ && right) functions_.get(context_, asked);
  if (right) return;
  for (uint8_t& byte : tag) byte = static_cast<uint8_t>(~byte);
  ERR_clear_error();
}

}  // namespace sluice
