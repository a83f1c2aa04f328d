// sluice-provider.so: an OpenSSL 3 provider named "sluice".
//
// Of its section in openssl.cnf it reads `algorithms`, a list of ctr, cbc, gcm, chacha20-poly1305 and hmac: what is
// served; and `device`, a crypto device for large pieces, without which none is looked for.
#include <openssl/crypto.h>
#include <openssl/params.h>

#include "drivers/engine/lent_device.h"
#include "drivers/engine/provider_start.h"

namespace sluice {
namespace {

// Of the provider's section; null where it does not say.
const char* section_value(const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH* in, const char* name) {
  OSSL_FUNC_core_get_params_fn* get = nullptr;
  for (; in->function_id != 0; ++in)
    if (in->function_id == OSSL_FUNC_CORE_GET_PARAMS) get = OSSL_FUNC_core_get_params(in);
  char* value = nullptr;
  OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_ptr(name, &value, 0), OSSL_PARAM_construct_end()};
  return get != nullptr && get(handle, params) == 1 ? value : nullptr;
}

}  // namespace
}  // namespace sluice

extern "C" __attribute__((visibility("default"))) int OSSL_provider_init(const OSSL_CORE_HANDLE* handle,
                                                                         const OSSL_DISPATCH* in,
                                                                         const OSSL_DISPATCH** out, void** provider) {
  const char* list = sluice::section_value(handle, in, "algorithms");
  // Better no provider than another one than was meant.
  const auto modes = list != nullptr ? sluice::ServedModes::parse(list) : sluice::ServedModes::all();
  if (const char* device = sluice::section_value(handle, in, "device")) sluice::LentDevice::open(device);
  OSSL_LIB_CTX* child = modes ? OSSL_LIB_CTX_new_child(handle, in) : nullptr;
  if (child == nullptr) return 0;
  if (sluice::start_provider(*modes, child, out, provider) == 1) return 1;
  OSSL_LIB_CTX_free(child);
  return 0;
}
