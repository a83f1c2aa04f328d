// An ENGINE for tests, as a shared module: computes X25519, powers, RSA signatures, random bytes, AES-128-GCM and
// AES-256-CTR by software, but pauses its job as hardware would, or fails, or signs wrongly.
//
// Commands: PAUSES n (of each operation), DELAY_US n (until the device "answers"), FAIL 0|1, NEVER 0|1 (it does not
// answer), WRONG 0|1 (signatures have a bit turned). MOST_AT_ONCE tells how many operations were under way at the same
// time.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/async.h>
#include <openssl/dh.h>
#include <openssl/engine.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

namespace {

constexpr int kPauses = ENGINE_CMD_BASE;
constexpr int kDelay = ENGINE_CMD_BASE + 1;
constexpr int kFail = ENGINE_CMD_BASE + 2;
constexpr int kNever = ENGINE_CMD_BASE + 3;
constexpr int kMostAtOnce = ENGINE_CMD_BASE + 4;
constexpr int kWrong = ENGINE_CMD_BASE + 5;

const ENGINE_CMD_DEFN kCommands[] = {
    {kPauses, "PAUSES", "pauses of each operation", ENGINE_CMD_FLAG_NUMERIC},
    {kDelay, "DELAY_US", "microseconds of each pause", ENGINE_CMD_FLAG_NUMERIC},
    {kFail, "FAIL", "fail every operation", ENGINE_CMD_FLAG_NUMERIC},
    {kNever, "NEVER", "answer no operation", ENGINE_CMD_FLAG_NUMERIC},
    {kMostAtOnce, "MOST_AT_ONCE", "operations at once, so far", ENGINE_CMD_FLAG_NO_INPUT},
    {kWrong, "WRONG", "sign wrongly", ENGINE_CMD_FLAG_NUMERIC},
    {0, nullptr, nullptr, 0}};

std::atomic<long> g_pauses{1}, g_delay_us{1000}, g_fail{0}, g_never{0}, g_now{0}, g_most{0}, g_wrong{0};
int (*g_derive)(EVP_PKEY_CTX*, unsigned char*, size_t*) = nullptr;
int (*g_derive_init)(EVP_PKEY_CTX*) = nullptr;
EVP_PKEY_METHOD* g_method = nullptr;
DH_METHOD* g_dh = nullptr;
RSA_METHOD* g_rsa = nullptr;

void close_descriptor(ASYNC_WAIT_CTX*, const void*, OSSL_ASYNC_FD fd, void*) { ::close(fd); }

// Whether the device did what it was asked.
bool ask_device() {
  const long now = ++g_now;
  long most = g_most;
  while (now > most && !g_most.compare_exchange_weak(most, now)) {}
  if (ASYNC_JOB* job = ASYNC_get_current_job(); job != nullptr) {
    ASYNC_WAIT_CTX* wait = ASYNC_get_wait_ctx(job);
    const int timer = ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    ASYNC_WAIT_CTX_set_wait_fd(wait, &g_now, timer, nullptr, close_descriptor);
    for (long i = 0; i < g_pauses; ++i) {
      itimerspec when{};
      when.it_value.tv_sec = g_never ? 1000000 : 0;
      when.it_value.tv_nsec = std::max(g_delay_us.load(), 1L) * 1000;
      ::timerfd_settime(timer, 0, &when, nullptr);
      ASYNC_pause_job();
    }
    ASYNC_WAIT_CTX_clear_fd(wait, &g_now);
    ::close(timer);
  }
  --g_now;
  return !g_fail;
}

int derive(EVP_PKEY_CTX* context, unsigned char* out, size_t* size) {
  if (out == nullptr) return g_derive(context, out, size);
  return ask_device() ? g_derive(context, out, size) : 0;
}

int power(const DH*, BIGNUM* out, const BIGNUM* base, const BIGNUM* exponent, const BIGNUM* modulus, BN_CTX* context,
          BN_MONT_CTX*) {
  return ask_device() ? BN_mod_exp_mont_consttime(out, base, exponent, modulus, context, nullptr) : 0;
}

int sign(int size, const unsigned char* from, unsigned char* to, RSA* key, int padding) {
  if (!ask_device()) return -1;
  const int n = RSA_meth_get_priv_enc(RSA_PKCS1_OpenSSL())(size, from, to, key, padding);
  if (n > 0 && g_wrong) to[n - 1] = static_cast<unsigned char>(to[n - 1] ^ 1);
  return n;
}

int random_bytes(unsigned char* out, int n) {
  if (!ask_device()) return 0;
  std::fill_n(out, n, static_cast<unsigned char>(0));
  return 1;
}

const RAND_METHOD kRandom{nullptr, random_bytes, nullptr, nullptr, random_bytes, nullptr};

template <const EVP_CIPHER* (*kBuiltIn)()>
int run_cipher(EVP_CIPHER_CTX* context, unsigned char* out, const unsigned char* in, size_t n) {
  const bool custom = (EVP_CIPHER_get_flags(kBuiltIn()) & EVP_CIPH_FLAG_CUSTOM_CIPHER) != 0;
  // Only data goes to the device.
  if (in != nullptr && out != nullptr && !ask_device()) return custom ? -1 : 0;
  return EVP_CIPHER_meth_get_do_cipher(kBuiltIn())(context, out, in, n);
}

template <const EVP_CIPHER* (*kBuiltIn)()>
const EVP_CIPHER* paused_cipher() {
  static EVP_CIPHER* const cipher = [] {
    // A duplicate would not take another function.
    const EVP_CIPHER* from = kBuiltIn();
    EVP_CIPHER* copy =
        EVP_CIPHER_meth_new(EVP_CIPHER_get_nid(from), EVP_CIPHER_get_block_size(from), EVP_CIPHER_get_key_length(from));
    EVP_CIPHER_meth_set_iv_length(copy, EVP_CIPHER_get_iv_length(from));
    EVP_CIPHER_meth_set_flags(copy, EVP_CIPHER_get_flags(from));
    EVP_CIPHER_meth_set_impl_ctx_size(copy, EVP_CIPHER_impl_ctx_size(from));
    EVP_CIPHER_meth_set_init(copy, EVP_CIPHER_meth_get_init(from));
    EVP_CIPHER_meth_set_cleanup(copy, EVP_CIPHER_meth_get_cleanup(from));
    EVP_CIPHER_meth_set_ctrl(copy, EVP_CIPHER_meth_get_ctrl(from));
    EVP_CIPHER_meth_set_do_cipher(copy, run_cipher<kBuiltIn>);
    return copy;
  }();
  return cipher;
}

int ciphers(ENGINE*, const EVP_CIPHER** cipher, const int** kinds, int kind) {
  static const int kKinds[] = {NID_aes_128_gcm, NID_aes_256_ctr};
  if (cipher == nullptr) {
    *kinds = kKinds;
    return 2;
  }
  *cipher = kind == NID_aes_128_gcm   ? paused_cipher<EVP_aes_128_gcm>()
            : kind == NID_aes_256_ctr ? paused_cipher<EVP_aes_256_ctr>()
                                      : nullptr;
  return *cipher != nullptr;
}

int methods(ENGINE*, EVP_PKEY_METHOD** method, const int** kinds, int kind) {
  static const int kKinds[] = {EVP_PKEY_X25519};
  if (method == nullptr) {
    *kinds = kKinds;
    return 1;
  }
  *method = kind == EVP_PKEY_X25519 ? g_method : nullptr;
  return *method != nullptr;
}

int control(ENGINE*, int command, long number, void*, void (*)()) {
  switch (command) {
    case kPauses: g_pauses = number; return 1;
    case kDelay: g_delay_us = number; return 1;
    case kFail: g_fail = number; return 1;
    case kNever: g_never = number; return 1;
    case kWrong: g_wrong = number; return 1;
    case kMostAtOnce: return static_cast<int>(g_most.exchange(0));
    default: return 0;
  }
}

int bind(ENGINE* engine, const char*) {
  const EVP_PKEY_METHOD* software = EVP_PKEY_meth_find(EVP_PKEY_X25519);
  g_method = EVP_PKEY_meth_new(EVP_PKEY_X25519, 0);
  EVP_PKEY_meth_copy(g_method, software);
  EVP_PKEY_meth_get_derive(software, &g_derive_init, &g_derive);
  EVP_PKEY_meth_set_derive(g_method, g_derive_init, derive);
  g_dh = DH_meth_dup(DH_OpenSSL());
  DH_meth_set_bn_mod_exp(g_dh, power);
  g_rsa = RSA_meth_dup(RSA_PKCS1_OpenSSL());
  RSA_meth_set_priv_enc(g_rsa, sign);
  return ENGINE_set_RSA(engine, g_rsa) && ENGINE_set_RAND(engine, &kRandom) && ENGINE_set_ciphers(engine, ciphers) &&
         ENGINE_set_id(engine, "sluice_fake") && ENGINE_set_name(engine, "pauses and fails for tests") &&
         ENGINE_set_pkey_meths(engine, methods) && ENGINE_set_DH(engine, g_dh) &&
         ENGINE_set_cmd_defns(engine, kCommands) && ENGINE_set_ctrl_function(engine, control);
}

}  // namespace

extern "C" {
// What ENGINE's "dynamic" looks for.
unsigned long v_check(unsigned long version);
unsigned long v_check(unsigned long version) { return version >= OSSL_DYNAMIC_OLDEST ? OSSL_DYNAMIC_VERSION : 0; }
int bind_engine(ENGINE* engine, const char* id, const dynamic_fns* functions);
int bind_engine(ENGINE* engine, const char* id, const dynamic_fns*) { return bind(engine, id); }
}
