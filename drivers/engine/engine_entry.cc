// sluice-engine.so: what OpenSSL's "dynamic" engine loads, with the id "sluice".
//
// Control commands: ALGORITHMS, a list of ctr, cbc, gcm and chacha20-poly1305: what is served, all by default.
// PROVIDER, such a list: what the provider inside serves to all who do not hand this ENGINE to libcrypto. DEVICE, a
// crypto device for large pieces; without it none is looked for.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/engine.h>

#include <algorithm>
#include <climits>
#include <mutex>

#include "drivers/engine/engine_cipher.h"
#include "drivers/engine/engine_provider.h"
#include "drivers/engine/imb_functions.h"
#include "drivers/engine/lent_device.h"
#include "drivers/engine/served_list.h"

namespace sluice {
namespace {

constexpr const char* kId = "sluice";
constexpr const char* kName = "Sluice: AES and ChaCha20-Poly1305 on the CPU's vector units";
constexpr int kAlgorithms = ENGINE_CMD_BASE;
constexpr int kDevice = ENGINE_CMD_BASE + 1;
constexpr int kPieces = ENGINE_CMD_BASE + 2;
constexpr int kProvider = ENGINE_CMD_BASE + 3;

const ENGINE_CMD_DEFN kCommands[] = {
    {kAlgorithms, "ALGORITHMS", "What is served, of: ctr,cbc,gcm,chacha20-poly1305", ENGINE_CMD_FLAG_STRING},
    {kDevice, "DEVICE", "A crypto device, as sluice-offload names it", ENGINE_CMD_FLAG_STRING},
    {kPieces, "DEVICE_PIECES", "How many pieces the device did", ENGINE_CMD_FLAG_NO_INPUT},
    {kProvider, "PROVIDER", "What a provider inside serves by default, of: ctr,cbc,gcm,chacha20-poly1305,hmac",
     ENGINE_CMD_FLAG_STRING},
    {0, nullptr, nullptr, 0}};

// Made when the engine is bound and whole from then on, so that threads and forks only read it.
struct Served {
  std::array<EVP_CIPHER*, kServedCiphers.size()> ciphers{};
  ServedModes modes = ServedModes::none();
  ServedModes by_provider = ServedModes::none();
  // What libcrypto takes from us without being told to: a provider's work it can ask more about.
  std::array<int, kServedCiphers.size()> nids{};
  int count = 0;
  // A program may load the module under several ENGINEs; they share these.
  int engines = 0;
};
Served g_served;
std::mutex g_served_mutex;

void choose(const ServedModes& modes, const ServedModes& by_provider) {
  g_served.modes = imb_functions() != nullptr ? modes : ServedModes::none();
  g_served.by_provider = by_provider;
  g_served.count = 0;
  for (const ServedCipher& row : kServedCiphers) {
    if (g_served.modes.has(row.mode) && !by_provider.has(row.mode))
      g_served.nids[static_cast<size_t>(g_served.count++)] = row.nid;
  }
}

int select_cipher(ENGINE*, const EVP_CIPHER** cipher, const int** nids, int nid) {
  if (cipher == nullptr) {
    *nids = g_served.nids.data();
    return g_served.count;
  }
  *cipher = nullptr;
  for (size_t i = 0; i < kServedCiphers.size(); ++i) {
    if (kServedCiphers[i].nid == nid && g_served.modes.has(kServedCiphers[i].mode)) *cipher = g_served.ciphers[i];
  }
  return *cipher != nullptr ? 1 : 0;
}

int control(ENGINE*, int command, long, void* pointer, void (*)()) {
  if (command == kPieces) {
    const LentDevice* device = LentDevice::usable();
    return device != nullptr ? static_cast<int>(std::min<uint64_t>(device->pieces(), INT_MAX)) : 0;
  }
  if (pointer == nullptr) return 0;
  if (command == kDevice) {
    // One that is not there is said on standard error; the CPU is the answer to that.
    LentDevice::open(static_cast<const char*>(pointer));
    return 1;
  }
  if (command != kAlgorithms && command != kProvider) return 0;
  const auto modes = ServedModes::parse(static_cast<const char*>(pointer));
  if (command == kProvider && modes) {
    if (!serve_by_provider(*modes)) return 0;
    choose(g_served.modes, *modes);
    return 1;
  }
  // Better nothing than something else than was asked for. OpenSSL 3 asks no ENGINE for an HMAC.
  const bool known = command == kAlgorithms && modes && !modes->has(ServedMode::hmac);
  choose(known ? *modes : ServedModes::none(), g_served.by_provider);
  return known ? 1 : 0;
}

int destroy(ENGINE*) {
  const std::lock_guard lock(g_served_mutex);
  if (--g_served.engines > 0) return 1;
  for (EVP_CIPHER*& cipher : g_served.ciphers) {
    EVP_CIPHER_meth_free(cipher);
    cipher = nullptr;
  }
  g_served.count = 0;
  return 1;
}

int bind(ENGINE* engine, const char* id) {
  if (id != nullptr && std::string_view(id) != kId) return 0;
  const std::lock_guard lock(g_served_mutex);
  for (size_t i = 0; i < kServedCiphers.size(); ++i) {
    if (g_served.ciphers[i] == nullptr) g_served.ciphers[i] = make_engine_cipher(kServedCiphers[i]);
  }
  // What another ENGINE of this module was told holds for it too.
  if (g_served.engines == 0) choose(ServedModes::all(), g_served.by_provider);
  const bool bound = ENGINE_set_id(engine, kId) && ENGINE_set_name(engine, kName) &&
                     ENGINE_set_ciphers(engine, select_cipher) && ENGINE_set_cmd_defns(engine, kCommands) &&
                     ENGINE_set_ctrl_function(engine, control) && ENGINE_set_destroy_function(engine, destroy);
  if (bound) ++g_served.engines;
  return bound ? 1 : 0;
}

}  // namespace
}  // namespace sluice

extern "C" {
#pragma GCC visibility push(default)
IMPLEMENT_DYNAMIC_CHECK_FN()
IMPLEMENT_DYNAMIC_BIND_FN(sluice::bind)
#pragma GCC visibility pop
}
