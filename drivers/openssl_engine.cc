// ENGINE is deprecated in OpenSSL 3 and still what crypto cards ship; its warnings are silenced here and only here.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "drivers/openssl_engine.h"

#include <openssl/err.h>

#ifndef OPENSSL_NO_ENGINE
#include <openssl/engine.h>
#endif

namespace sluice {

#ifndef OPENSSL_NO_ENGINE

ResultOrText<std::shared_ptr<OpenSslEngine>> OpenSslEngine::load(const std::string& id) {
  ENGINE* engine = ENGINE_by_id(id.c_str());
  if (engine == nullptr) {
    ERR_clear_error();
    return fail("OpenSSL has no engine \"" + id + "\" (see `openssl engine -t`)");
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

ResultOrText<std::shared_ptr<OpenSslEngine>> OpenSslEngine::load(const std::string& id) {
  return fail("this OpenSSL is built without engines, so \"" + id + "\" cannot be used");
}
OpenSslEngine::~OpenSslEngine() = default;
bool OpenSslEngine::has_cipher(int) const { return false; }

#endif

}  // namespace sluice
