// A RAND_METHOD in front of libcrypto's own.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "control/engine/engine_random.h"

#include <openssl/async.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>

#include "base/bytes.h"

namespace sluice {
namespace {

// libcrypto may ask with a lock of its own held: a job that pauses there would keep it from everybody else of the
// thread.
class WithoutPauses {
 public:
  WithoutPauses() { ASYNC_block_pause(); }
  ~WithoutPauses() { ASYNC_unblock_pause(); }
  WithoutPauses(const WithoutPauses&) = delete;
  WithoutPauses& operator=(const WithoutPauses&) = delete;
};

int by_system(unsigned char* out, int n) { return RAND_OpenSSL()->bytes(out, n); }

int fill(unsigned char* out, int n) {
  if (by_system(out, n) != 1) return 0;
  KeyEngine* engine = KeyEngine::in_use();
  const RAND_METHOD* method = engine ? engine->for_random() : nullptr;
  if (!method || !method->bytes) return 1;
  const WithoutPauses here;
  std::array<uint8_t, 256> piece;
  for (int done = 0; done < n;) {
    const int now = std::min<int>(n - done, static_cast<int>(piece.size()));
    if (method->bytes(piece.data(), now) != 1) {
      ERR_clear_error();
      engine->failed("random bytes");
      return 1;
    }
    for (int i = 0; i < now; ++i) out[done + i] = static_cast<uint8_t>(out[done + i] ^ piece[static_cast<size_t>(i)]);
    done += now;
  }
  wipe(piece.data(), piece.size());
  engine->succeeded();
  return 1;
}

int status() { return 1; }

const RAND_METHOD kMethod{nullptr, fill, nullptr, nullptr, fill, status};

}  // namespace

bool use_engine_random(KeyEngine& engine) {
  return engine.for_random() != nullptr && RAND_set_rand_method(&kMethod) == 1;
}

void stop_engine_random() {
  if (RAND_get_rand_method() == &kMethod) RAND_set_rand_method(nullptr);
}

}  // namespace sluice
