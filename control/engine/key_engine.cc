// libcrypto 3 calls the ENGINE interface deprecated; what hardware has is still behind it.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "control/engine/key_engine.h"

#include <openssl/dh.h>
#include <openssl/ec.h>
#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/ui.h>

#include "base/engine_spec.h"
#include "base/log.h"

namespace sluice {
namespace {

std::atomic<KeyEngine*> g_engine{nullptr};

std::string last_error() {
  char text[256];
  ERR_error_string_n(ERR_peek_last_error(), text, sizeof text);
  ERR_clear_error();
  return text;
}

// What came first is the cause: a file that is not there, a device that the engine does not find.
std::string first_error() {
  const char* data = nullptr;
  int flags = 0;
  const unsigned long code = ERR_get_error_all(nullptr, nullptr, nullptr, &data, &flags);
  const char* reason = ERR_reason_error_string(code);
  std::string text = reason ? reason : "error " + std::to_string(ERR_GET_REASON(code));
  if ((flags & ERR_TXT_STRING) != 0) text.append(": ").append(data);
  ERR_clear_error();
  return text;
}

void* load_module(const std::string& path) {
  ENGINE* engine = ENGINE_by_id("dynamic");
  const bool loaded = engine && ENGINE_ctrl_cmd_string(engine, "SO_PATH", path.c_str(), 0) == 1 &&
                      ENGINE_ctrl_cmd_string(engine, "LOAD", nullptr, 0) == 1;
  if (loaded) return engine;
  ENGINE_free(engine);
  return nullptr;
}

ENGINE* find_engine(const EngineSpec& spec) {
  if (!spec.is_path()) return ENGINE_by_id(spec.name.c_str());
  auto* const kept = static_cast<ENGINE*>(engine_module(spec.name, load_module));
  return kept && ENGINE_up_ref(kept) == 1 ? kept : nullptr;
}

}  // namespace

ResultOrText<std::unique_ptr<KeyEngine>> KeyEngine::open(const std::string& text) {
  const EngineSpec spec = parse_engine_spec(text);
  const std::string& name = spec.name;
  ENGINE* engine = find_engine(spec);
  if (!engine) return fail("there is no engine " + name + ": " + first_error());
  for (const auto& [command, value] : spec.commands) {
    if (ENGINE_ctrl_cmd_string(engine, command.c_str(), value.empty() ? nullptr : value.c_str(), 0) == 1) continue;
    ENGINE_free(engine);
    // Without the value, which may be a PIN.
    return fail("engine " + name + " refuses the command " + command + ": " + last_error());
  }
  if (ENGINE_init(engine) != 1) {
    ENGINE_free(engine);
    return fail("engine " + name + " does not start: " + last_error());
  }
  // The functional reference that init gave is the one that stays.
  ENGINE_free(engine);
  std::unique_ptr<KeyEngine> opened(new KeyEngine(engine, name));
  const bool signs = opened->for_signatures(EVP_PKEY_RSA) || opened->for_signatures(EVP_PKEY_EC) || opened->for_rsa();
  if (!opened->agrees_on_keys() && !signs && !opened->for_random() && !ENGINE_get_load_privkey_function(engine))
    return fail("engine " + name + " neither agrees on keys nor signs nor holds keys nor gives random bytes");
  return opened;
}

KeyEngine::KeyEngine(ENGINE* engine, std::string name) : engine_(engine), name_(std::move(name)) {
  const DH_METHOD* method = ENGINE_get_DH(engine_);
  if (method && DH_meth_get_bn_mod_exp(method)) dh_ = DH_new_method(engine_);
  if (dh_) powers_ = method;
}

KeyEngine::~KeyEngine() {
  // Nobody asks it any more, for random bytes either.
  KeyEngine* self = this;
  g_engine.compare_exchange_strong(self, nullptr);
  DH_free(dh_);
  ENGINE_finish(engine_);
}

void KeyEngine::use(KeyEngine* engine) { g_engine.store(engine); }

KeyEngine* KeyEngine::in_use() {
  KeyEngine* engine = g_engine.load(std::memory_order_relaxed);
  return engine && !engine->given_up_.load(std::memory_order_relaxed) ? engine : nullptr;
}

ENGINE* KeyEngine::for_keys(int kind) const { return ENGINE_get_pkey_meth(engine_, kind) ? engine_ : nullptr; }

const EC_KEY_METHOD* KeyEngine::for_curves() const { return ENGINE_get_EC(engine_); }

ENGINE* KeyEngine::for_signatures(int kind) const {
  const EVP_PKEY_METHOD* method = ENGINE_get_pkey_meth(engine_, kind);
  if (!method) return nullptr;
  int (*init)(EVP_PKEY_CTX*) = nullptr;
  int (*sign)(EVP_PKEY_CTX*, unsigned char*, size_t*, const unsigned char*, size_t) = nullptr;
  int (*whole)(EVP_MD_CTX*, unsigned char*, size_t*, const unsigned char*, size_t) = nullptr;
  EVP_PKEY_meth_get_sign(method, &init, &sign);
  EVP_PKEY_meth_get_digestsign(method, &whole);
  return sign || whole ? engine_ : nullptr;
}

const RSA_METHOD* KeyEngine::for_rsa() const { return ENGINE_get_RSA(engine_); }

const RAND_METHOD* KeyEngine::for_random() const { return ENGINE_get_RAND(engine_); }

bool KeyEngine::agrees_on_keys() const {
  return for_keys(EVP_PKEY_X25519) || for_keys(EVP_PKEY_EC) || for_curves() || for_powers();
}

ResultOrText<EVP_PKEY*> KeyEngine::load_key(const std::string& id) const {
  // Nobody is there to be asked for a PIN.
  EVP_PKEY* key = ENGINE_load_private_key(engine_, id.c_str(), const_cast<UI_METHOD*>(UI_null()), nullptr);
  if (key) return key;
  return fail("engine " + name_ + " gives no key " + id + ": " + last_error());
}

void KeyEngine::succeeded() {
  operations_.fetch_add(1, std::memory_order_relaxed);
  in_a_row_.store(0, std::memory_order_relaxed);
}

void KeyEngine::failed(std::string_view what) {
  if (failures_.fetch_add(1, std::memory_order_relaxed) == 0) {
    std::string line = "engine " + name_ + " failed at ";
    line.append(what).append("; software did it");
    log_line(LogLevel::warning, line);
  }
  if (in_a_row_.fetch_add(1, std::memory_order_relaxed) + 1 == kMostEngineFailures) give_up("it fails again and again");
}

void KeyEngine::lacks(std::string_view what) {
  lacking_.fetch_add(1, std::memory_order_relaxed);
  {
    const std::lock_guard lock(told_mutex_);
    if (!told_.emplace(what).second) return;
  }
  std::string line = "engine " + name_ + " has no methods for ";
  line.append(what).append("; software does it");
  log_line(LogLevel::notice, line);
}

void KeyEngine::give_up(std::string_view why) {
  if (given_up_.exchange(true)) return;
  std::string line = "engine " + name_ + " is asked no more: ";
  line.append(why);
  log_line(LogLevel::error, line);
}

}  // namespace sluice
