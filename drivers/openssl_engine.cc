// ENGINE is deprecated in OpenSSL 3 and still what crypto cards ship; its warnings are silenced here and only here.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "drivers/openssl_engine.h"

#include <openssl/err.h>

#include "base/engine_spec.h"

#ifndef OPENSSL_NO_ENGINE
#include <openssl/engine.h>
#endif

namespace sluice {

#ifndef OPENSSL_NO_ENGINE

namespace {

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

ENGINE* engine_of_module(const std::string& path) {
  auto* const kept = static_cast<ENGINE*>(engine_module(path, load_module));
  return kept != nullptr && ENGINE_up_ref(kept) == 1 ? kept : nullptr;
}

}  // namespace

ResultOrText<std::shared_ptr<OpenSslEngine>> OpenSslEngine::load(const std::string& text) {
  const EngineSpec spec = parse_engine_spec(text);
  const std::string& id = spec.name;
  ENGINE* engine = spec.is_path() ? engine_of_module(id) : ENGINE_by_id(id.c_str());
  if (engine == nullptr) {
    const std::string why = first_error();
    if (spec.is_path()) return fail(id + " is no module of an OpenSSL engine, or cannot be loaded: " + why);
    return fail("OpenSSL has no engine \"" + id + "\" (see `openssl engine -t`): " + why);
  }
  for (const auto& [command, value] : spec.commands) {
    if (ENGINE_ctrl_cmd_string(engine, command.c_str(), value.empty() ? nullptr : value.c_str(), 0) == 1) continue;
    ENGINE_free(engine);
    ERR_clear_error();
    return fail("OpenSSL engine \"" + id + "\" refuses the command " + command + " (see `openssl engine -vvv`)");
  }
  if (ENGINE_init(engine) != 1) {
    ENGINE_free(engine);
    ERR_clear_error();
    return fail("OpenSSL engine \"" + id + "\" is there but does not start");
  }
  return std::shared_ptr<OpenSslEngine>(new OpenSslEngine(engine, id));
}

OpenSslEngine::~OpenSslEngine() {
  ENGINE_finish(engine_);
  ENGINE_free(engine_);
}

bool OpenSslEngine::has_cipher(int nid) const {
  const bool has = ENGINE_get_cipher(engine_, nid) != nullptr;
  ERR_clear_error();
  return has;
}

#else

ResultOrText<std::shared_ptr<OpenSslEngine>> OpenSslEngine::load(const std::string& text) {
  return fail("this OpenSSL is built without engines, so \"" + parse_engine_spec(text).name + "\" cannot be used");
}
OpenSslEngine::~OpenSslEngine() = default;
bool OpenSslEngine::has_cipher(int) const { return false; }

#endif

}  // namespace sluice
