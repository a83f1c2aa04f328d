// A provider that libcrypto starts from a function of ours instead of a file.
#include "drivers/engine/engine_provider.h"

#include <openssl/err.h>
#include <openssl/provider.h>

#include <mutex>

#include "drivers/engine/provider_start.h"

namespace sluice {
namespace {

constexpr const char* kName = "sluice";

ServedModes g_modes = ServedModes::none();

int begin(const OSSL_CORE_HANDLE*, const OSSL_DISPATCH*, const OSSL_DISPATCH** out, void** provider) {
  // A child of the default context would not know a default provider that starts only when it is needed.
  return start_provider(g_modes, nullptr, out, provider);
}

}  // namespace

bool serve_by_provider(const ServedModes& modes) {
  static std::mutex mutex;
  static bool served = false;
  const std::lock_guard lock(mutex);
  if (served) return true;
  g_modes = modes;
  // Where a configuration has the module of that name already, that one serves.
  if (OSSL_PROVIDER_add_builtin(nullptr, kName, begin) != 1) ERR_clear_error();
  // The default provider, which nobody has to name, stays what serves everything else.
  served = OSSL_PROVIDER_try_load(nullptr, kName, 1) != nullptr;
  return served;
}

}  // namespace sluice
