// By EVP; lengths are its ints.
#include "drivers/engine/default_aead.h"

#include <openssl/err.h>

#include <algorithm>
#include <new>

namespace sluice {
namespace {

constexpr size_t kMostOfACall = size_t{1} << 30;

}  // namespace

std::unique_ptr<DefaultAead> DefaultAead::begin(OSSL_LIB_CTX* library, const char* name, bool encrypt, Bytes key,
                                                Bytes iv) {
  std::unique_ptr<DefaultAead> made(new (std::nothrow) DefaultAead);
  if (!made || !made->context_) return nullptr;
  EVP_CIPHER* cipher = EVP_CIPHER_fetch(library, name, "provider=default");
  EVP_CIPHER_CTX* context = made->context_.get();
  const bool fine = cipher != nullptr &&
                    EVP_CipherInit_ex2(context, cipher, nullptr, nullptr, encrypt ? 1 : 0, nullptr) == 1 &&
                    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_IVLEN, static_cast<int>(iv.size()), nullptr) == 1 &&
                    EVP_CipherInit_ex2(context, nullptr, key.data(), iv.data(), -1, nullptr) == 1;
  EVP_CIPHER_free(cipher);
  return fine ? std::move(made) : nullptr;
}

std::unique_ptr<DefaultAead> DefaultAead::clone() const {
  std::unique_ptr<DefaultAead> twin(new DefaultAead);
  if (!twin->context_ || EVP_CIPHER_CTX_copy(twin->context_.get(), context_.get()) != 1) throw std::bad_alloc();
  return twin;
}

bool DefaultAead::add_aad(Bytes aad) { return update(nullptr, aad.data(), aad.size()); }

bool DefaultAead::update(uint8_t* dst, const uint8_t* src, size_t n) {
  while (n > 0) {
    const size_t now = std::min(n, kMostOfACall);
    int written = 0;
    if (EVP_CipherUpdate(context_.get(), dst, &written, src, static_cast<int>(now)) != 1) return false;
    if (dst != nullptr) dst += now;
    src += now;
    n -= now;
  }
  return true;
}

void DefaultAead::finish(MutableBytes tag) {
  EVP_CIPHER_CTX* context = context_.get();
  const int n = static_cast<int>(tag.size());
  const bool seals = EVP_CIPHER_CTX_is_encrypting(context) == 1;
  int written = 0;
  bool right = seals || EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, n, tag.data()) == 1;
  right = EVP_CipherFinal_ex(context, nullptr, &written) == 1 && right;
  if (seals && right) EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, n, tag.data());
  if (right) return;
  for (uint8_t& byte : tag) byte = static_cast<uint8_t>(~byte);
  ERR_clear_error();
}

}  // namespace sluice
