// Loaded once a process, by path.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "tests/unit/engine/loaded_modules.h"

#include <gtest/gtest.h>
#include <openssl/engine.h>
#include <openssl/provider.h>

#include <cstdlib>
#include <map>
#include <mutex>

namespace sluice::test {
namespace {

ENGINE* load_engine() {
  ENGINE* engine = ENGINE_by_id("dynamic");
  const bool loaded = engine && ENGINE_ctrl_cmd_string(engine, "SO_PATH", SLUICE_ENGINE, 0) == 1 &&
                      ENGINE_ctrl_cmd_string(engine, "ID", "sluice", 0) == 1 &&
                      ENGINE_ctrl_cmd_string(engine, "LOAD", nullptr, 0) == 1 && ENGINE_init(engine) == 1;
  const char* device = std::getenv("SLUICE_TEST_DEVICE");
  if (loaded && device && ENGINE_ctrl_cmd_string(engine, "DEVICE", device, 0) != 1) return nullptr;
  return loaded ? engine : nullptr;
}

ENGINE* engine() {
  static ENGINE* const loaded = load_engine();
  return loaded;
}

bool load_providers() {
  OSSL_PROVIDER_set_default_search_path(nullptr, SLUICE_PROVIDER_FOLDER);
  return OSSL_PROVIDER_load(nullptr, "default") != nullptr && OSSL_PROVIDER_load(nullptr, "sluice-provider") != nullptr;
}

const EVP_CIPHER* fetched(Way way, const std::string& name) {
  static const bool loaded = load_providers();
  static std::mutex mutex;
  // Never destroyed: OpenSSL ends itself at a time of its own.
  static auto& ciphers = *new std::map<std::string, EVP_CIPHER*>;
  const std::lock_guard lock(mutex);
  EXPECT_TRUE(loaded);
  const char* properties = way == Way::provider ? "provider=sluice" : "provider=default";
  EVP_CIPHER*& cipher = ciphers[name + properties];
  if (cipher == nullptr) cipher = EVP_CIPHER_fetch(nullptr, name.c_str(), properties);
  EXPECT_NE(cipher, nullptr) << name << " " << properties;
  return cipher;
}

}  // namespace

void another_engine_comes_and_goes() {
  ENGINE* other = engine() ? ENGINE_by_id("dynamic") : nullptr;
  ASSERT_NE(other, nullptr);
  ASSERT_EQ(ENGINE_ctrl_cmd_string(other, "SO_PATH", SLUICE_ENGINE, 0), 1);
  ASSERT_EQ(ENGINE_ctrl_cmd_string(other, "ID", "sluice", 0), 1);
  // Later releases of OpenSSL 3.0 refuse a module that is loaded already, earlier ones bind it once more.
  ENGINE_ctrl_cmd_string(other, "LOAD", nullptr, 0);
  ENGINE_free(other);
}

int device_pieces() { return ENGINE_ctrl(engine(), ENGINE_CMD_BASE + 2, 0, nullptr, nullptr); }

const char* name_of(Way way) {
  return way == Way::engine ? "engine" : way == Way::provider ? "provider" : "default provider";
}

const std::vector<CipherFacts>& served_ciphers() {
  static const std::vector<CipherFacts> ciphers{{"AES-128-CTR", 16, 16, false}, {"AES-192-CTR", 24, 16, false},
                                                {"AES-256-CTR", 32, 16, false}, {"AES-128-CBC", 16, 16, false},
                                                {"AES-192-CBC", 24, 16, false}, {"AES-256-CBC", 32, 16, false},
                                                {"AES-128-GCM", 16, 12, true},  {"AES-192-GCM", 24, 12, true},
                                                {"AES-256-GCM", 32, 12, true},  {"ChaCha20-Poly1305", 32, 12, true}};
  return ciphers;
}

Context choose(Way way, const std::string& name, bool encrypt) {
  Context context(EVP_CIPHER_CTX_new());
  ENGINE* impl = way == Way::engine ? engine() : nullptr;
  EXPECT_TRUE(way != Way::engine || impl != nullptr);
  EXPECT_EQ(EVP_CipherInit_ex(context.get(), fetched(way, name), impl, nullptr, nullptr, encrypt ? 1 : 0), 1) << name;
  return context;
}

bool give(const Context& context, Bytes key, Bytes iv) {
  return EVP_CipherInit_ex(context.get(), nullptr, nullptr, key.empty() ? nullptr : key.data(),
                           iv.empty() ? nullptr : iv.data(), -1) == 1;
}

Context start(Way way, const std::string& name, bool encrypt, Bytes key, Bytes iv) {
  Context context = choose(way, name, encrypt);
  EXPECT_TRUE(give(context, key, iv)) << name_of(way) << " " << name;
  return context;
}

}  // namespace sluice::test
