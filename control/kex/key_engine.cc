// libcrypto 3 calls the ENGINE interface deprecated; what hardware has is still behind it.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "control/kex/key_engine.h"

#include <openssl/dh.h>
#include <openssl/ec.h>
#include <openssl/engine.h>
#include <openssl/err.h>

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

ENGINE* find_engine(const std::string& name) {
  if (name.find('/') == std::string::npos) return ENGINE_by_id(name.c_str());
  ENGINE* engine = ENGINE_by_id("dynamic");
  const bool loaded = engine && ENGINE_ctrl_cmd_string(engine, "SO_PATH", name.c_str(), 0) == 1 &&
                      ENGINE_ctrl_cmd_string(engine, "LOAD", nullptr, 0) == 1;
  if (loaded) return engine;
  ENGINE_free(engine);
  return nullptr;
}

}  // namespace

ResultOrText<std::unique_ptr<KeyEngine>> KeyEngine::open(const std::string& name) {
  ENGINE* engine = find_engine(name);
  if (!engine) return fail("no engine " + name + " for key exchange: " + last_error());
  if (ENGINE_init(engine) != 1) {
    ENGINE_free(engine);
    return fail("engine " + name + " does not start: " + last_error());
  }
  // The functional reference that init gave is the one that stays.
  ENGINE_free(engine);
  std::unique_ptr<KeyEngine> opened(new KeyEngine(engine, name));
  const bool useful = opened->for_keys(EVP_PKEY_X25519) || opened->for_keys(EVP_PKEY_EC) || opened->for_curves() ||
                      opened->for_powers();
  if (!useful) return fail("engine " + name + " computes no key agreement");
  return opened;
}

KeyEngine::KeyEngine(ENGINE* engine, std::string name) : engine_(engine), name_(std::move(name)) {
  const DH_METHOD* method = ENGINE_get_DH(engine_);
  if (method && DH_meth_get_bn_mod_exp(method)) dh_ = DH_new_method(engine_);
  if (dh_) powers_ = method;
}

KeyEngine::~KeyEngine() {
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

void KeyEngine::give_up(std::string_view why) {
  if (given_up_.exchange(true)) return;
  std::string line = "engine " + name_ + " is asked no more: ";
  line.append(why);
  log_line(LogLevel::error, line);
}

}  // namespace sluice
