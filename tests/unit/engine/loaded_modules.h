// The ENGINE and the provider of this build, loaded beside OpenSSL's own implementation, which they are compared with.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace sluice::test {

enum class Way : uint8_t { default_provider, engine, provider };
inline constexpr Way kOurWays[] = {Way::engine, Way::provider};
const char* name_of(Way way);
// A second ENGINE of the same module, which is destroyed again.
void another_engine_comes_and_goes();
// What the ENGINE's device did, where SLUICE_TEST_DEVICE named one.
int device_pieces();

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

struct CipherFacts {
  std::string name;
  size_t key_bytes;
  size_t iv_bytes;
  bool aead;
};
const std::vector<CipherFacts>& served_ciphers();

// A context of that implementation; a failure of a test where it is not there.
Context start(Way way, const std::string& name, bool encrypt, Bytes key, Bytes iv);
// Only chooses the implementation: for what is set before key and IV.
Context choose(Way way, const std::string& name, bool encrypt);
bool give(const Context& context, Bytes key, Bytes iv);

}  // namespace sluice::test
