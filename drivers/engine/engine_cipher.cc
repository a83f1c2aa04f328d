// For CTR and CBC the IV is EVP's own field, where programs look for it.
// AEADs have a context of ours behind a pointer, since they hold memory and want alignment.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "drivers/engine/engine_cipher.h"

#include "drivers/engine/aead_context.h"
#include "drivers/engine/block_modes.h"
#include "drivers/engine/lent_device.h"
#include "drivers/engine/refusal.h"

namespace sluice {
namespace {

// All zero before a key is there.
struct BlockData {
  AesKey key;
  std::array<uint8_t, 16> keystream;
  unsigned used;  // as EVP's num, which is slow to read
  bool encrypt;
  // Of the context that we were called with last; a copy has an IV of its own.
  const EVP_CIPHER_CTX* owner;
  uint8_t* iv;
};

struct AeadData {
  AeadContext* context;
};

BlockData* block_data(EVP_CIPHER_CTX* ctx) { return static_cast<BlockData*>(EVP_CIPHER_CTX_get_cipher_data(ctx)); }
AeadData* aead_data(EVP_CIPHER_CTX* ctx) { return static_cast<AeadData*>(EVP_CIPHER_CTX_get_cipher_data(ctx)); }

size_t key_bytes(const EVP_CIPHER_CTX* ctx) { return static_cast<size_t>(EVP_CIPHER_CTX_get_key_length(ctx)); }

// EVP wipes the rest.
int clean_block(EVP_CIPHER_CTX* ctx) {
  if (const BlockData* data = block_data(ctx)) LentDevice::forget({data->key.encrypt.data(), data->key.bytes});
  return 1;
}

uint8_t* iv_of(BlockData& data, EVP_CIPHER_CTX* ctx) {
  if (data.owner != ctx) {
    data.iv = EVP_CIPHER_CTX_iv_noconst(ctx);
    data.owner = ctx;
  }
  return data.iv;
}

int init_block(EVP_CIPHER_CTX* ctx, const unsigned char* key, const unsigned char*, int encrypt) {
  block_data(ctx)->used = 0;
  block_data(ctx)->encrypt = encrypt != 0;
  if (key != nullptr) clean_block(ctx);
  return key == nullptr || expand_aes_key(block_data(ctx)->key, {key, key_bytes(ctx)}) ? 1 : 0;
}

int run_ctr(EVP_CIPHER_CTX* ctx, unsigned char* out, const unsigned char* in, size_t n) {
  BlockData* data = block_data(ctx);
  if (data->key.bytes == 0) return refuse(PROV_R_NO_KEY_SET);
  CtrState state{iv_of(*data, ctx), data->keystream.data(), data->used};
  aes_ctr(data->key, state, out, in, n);
  if (state.used != data->used) EVP_CIPHER_CTX_set_num(ctx, static_cast<int>(state.used));
  data->used = state.used;
  return 1;
}

int run_cbc(EVP_CIPHER_CTX* ctx, unsigned char* out, const unsigned char* in, size_t n) {
  BlockData* data = block_data(ctx);
  if (data->key.bytes == 0) return refuse(PROV_R_NO_KEY_SET);
  const auto run = data->encrypt ? aes_cbc_encrypt : aes_cbc_decrypt;
  run(data->key, iv_of(*data, ctx), out, in, n);
  return 1;
}

int init_aead(EVP_CIPHER_CTX* ctx, const unsigned char* key, const unsigned char* iv, int encrypt) {
  AeadContext* aead = aead_data(ctx)->context;
  if (aead == nullptr) return 0;
  return aead->init(encrypt != 0, {key, key ? key_bytes(ctx) : 0}, {iv, iv ? aead->iv_bytes() : 0}) ? 1 : 0;
}

// EVP_CIPH_FLAG_CUSTOM_CIPHER: bytes written or -1; no output is AAD, no input the end.
int run_aead(EVP_CIPHER_CTX* ctx, unsigned char* out, const unsigned char* in, size_t n) {
  AeadContext& aead = *aead_data(ctx)->context;
  if (in == nullptr) return aead.finish() ? 0 : -1;
  if (n == 0) return 0;
  if (out == nullptr) return aead.add_aad({in, n}) ? static_cast<int>(n) : -1;
  const auto written = aead.update(out, in, n);
  return written ? static_cast<int>(*written) : -1;
}

int clean_aead(EVP_CIPHER_CTX* ctx) {
  if (AeadData* data = aead_data(ctx)) {
    delete data->context;
    data->context = nullptr;
  }
  return 1;
}

int copy_aead(EVP_CIPHER_CTX* from, EVP_CIPHER_CTX* to) {
  // EVP copied our pointer with the rest of its data.
  aead_data(to)->context = nullptr;
  const AeadContext* source = aead_data(from)->context;
  if (source == nullptr) return 1;
  aead_data(to)->context = source->clone().release();
  return aead_data(to)->context ? 1 : 0;
}

int make_aead(EVP_CIPHER_CTX* ctx) {
  const AeadKind kind = EVP_CIPHER_CTX_get_mode(ctx) == EVP_CIPH_GCM_MODE ? AeadKind::gcm : AeadKind::chacha20_poly1305;
  clean_aead(ctx);
  aead_data(ctx)->context = AeadContext::make(kind, key_bytes(ctx)).release();
  return aead_data(ctx)->context ? 1 : 0;
}

int control_aead(EVP_CIPHER_CTX* ctx, int command, int number, void* pointer) {
  if (command == EVP_CTRL_INIT) return make_aead(ctx);
  if (command == EVP_CTRL_COPY) return copy_aead(ctx, static_cast<EVP_CIPHER_CTX*>(pointer));
  AeadContext* aead = aead_data(ctx)->context;
  if (aead == nullptr) return 0;
  auto* bytes = static_cast<uint8_t*>(pointer);
  const size_t n = number > 0 ? static_cast<size_t>(number) : 0;
  switch (command) {
    case EVP_CTRL_GET_IVLEN: *static_cast<int*>(pointer) = static_cast<int>(aead->iv_bytes()); return 1;
    case EVP_CTRL_AEAD_SET_IVLEN: return aead->set_iv_bytes(n) ? 1 : 0;
    case EVP_CTRL_AEAD_SET_TAG: return aead->set_tag({bytes, n}) ? 1 : 0;
    case EVP_CTRL_AEAD_GET_TAG: return aead->get_tag({bytes, n}) ? 1 : 0;
    case EVP_CTRL_AEAD_SET_IV_FIXED:
      if (number == -1) return aead->set_whole_iv({bytes, aead->iv_bytes()}) ? 1 : 0;
      return aead->set_fixed_iv({bytes, n}) ? 1 : 0;
    case EVP_CTRL_GCM_IV_GEN: {
      const size_t all = aead->iv_bytes();
      return aead->next_iv({bytes, n == 0 || n > all ? all : n}) ? 1 : 0;
    }
    case EVP_CTRL_GCM_SET_IV_INV: return aead->set_invocation({bytes, n}) ? 1 : 0;
    case EVP_CTRL_AEAD_TLS1_AAD: return static_cast<int>(aead->set_tls_aad({bytes, n}).value_or(0));
    default: return -1;
  }
}

constexpr unsigned long kAeadFlags = EVP_CIPH_FLAG_AEAD_CIPHER | EVP_CIPH_FLAG_CUSTOM_CIPHER | EVP_CIPH_CUSTOM_IV |
                                     EVP_CIPH_CUSTOM_IV_LENGTH | EVP_CIPH_ALWAYS_CALL_INIT | EVP_CIPH_CTRL_INIT |
                                     EVP_CIPH_CUSTOM_COPY | EVP_CIPH_FLAG_DEFAULT_ASN1;

bool fill_block(EVP_CIPHER* cipher, ServedMode mode) {
  const bool ctr = mode == ServedMode::ctr;
  const unsigned long flags =
      EVP_CIPH_FLAG_DEFAULT_ASN1 | EVP_CIPH_ALWAYS_CALL_INIT | (ctr ? EVP_CIPH_CTR_MODE : EVP_CIPH_CBC_MODE);
  return EVP_CIPHER_meth_set_flags(cipher, flags) == 1 && EVP_CIPHER_meth_set_iv_length(cipher, 16) == 1 &&
         EVP_CIPHER_meth_set_impl_ctx_size(cipher, sizeof(BlockData)) == 1 &&
         EVP_CIPHER_meth_set_init(cipher, init_block) == 1 && EVP_CIPHER_meth_set_cleanup(cipher, clean_block) == 1 &&
         EVP_CIPHER_meth_set_do_cipher(cipher, ctr ? run_ctr : run_cbc) == 1;
}

bool fill_aead(EVP_CIPHER* cipher, ServedMode mode) {
  const unsigned long flags = kAeadFlags | (mode == ServedMode::gcm ? EVP_CIPH_GCM_MODE : 0);
  return EVP_CIPHER_meth_set_flags(cipher, flags) == 1 && EVP_CIPHER_meth_set_iv_length(cipher, 12) == 1 &&
         EVP_CIPHER_meth_set_impl_ctx_size(cipher, sizeof(AeadData)) == 1 &&
         EVP_CIPHER_meth_set_init(cipher, init_aead) == 1 && EVP_CIPHER_meth_set_do_cipher(cipher, run_aead) == 1 &&
         EVP_CIPHER_meth_set_cleanup(cipher, clean_aead) == 1 && EVP_CIPHER_meth_set_ctrl(cipher, control_aead) == 1;
}

}  // namespace

EVP_CIPHER* make_engine_cipher(const ServedCipher& row) {
  const int block = row.mode == ServedMode::cbc ? 16 : 1;
  EVP_CIPHER* cipher = EVP_CIPHER_meth_new(row.nid, block, row.key_bytes);
  if (cipher == nullptr) return nullptr;
  const bool aead = row.mode == ServedMode::gcm || row.mode == ServedMode::chacha20_poly1305;
  if (aead ? fill_aead(cipher, row.mode) : fill_block(cipher, row.mode)) return cipher;
  EVP_CIPHER_meth_free(cipher);
  return nullptr;
}

}  // namespace sluice
