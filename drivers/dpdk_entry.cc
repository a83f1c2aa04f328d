// The module's entry point: EAL, then devices by name.
#include "drivers/dpdk_entry.h"

#include <rte_bus.h>
#include <rte_cryptodev.h>
#include <rte_dev.h>

#include <mutex>

#include "drivers/cryptodev_driver.h"
#include "drivers/dpdk_port.h"
#include "drivers/dpdk_runtime.h"
#include "drivers/memif_device.h"

namespace sluice {
namespace {

std::string range_text(const rte_crypto_param_range& range) {
  std::string text = std::to_string(range.min);
  if (range.max != range.min) text.append("-").append(std::to_string(range.max));
  return text;
}

std::string known(const char* name) { return name ? name : "?"; }

CryptodevCapability describe(const rte_cryptodev_symmetric_capability& has) {
  switch (has.xform_type) {
    case RTE_CRYPTO_SYM_XFORM_AEAD:
      return {"aead", known(rte_crypto_aead_algorithm_strings[has.aead.algo]),
              "key " + range_text(has.aead.key_size) + ", digest " + range_text(has.aead.digest_size) + ", aad " +
                  range_text(has.aead.aad_size) + ", iv " + range_text(has.aead.iv_size)};
    case RTE_CRYPTO_SYM_XFORM_CIPHER:
      return {"cipher", known(rte_crypto_cipher_algorithm_strings[has.cipher.algo]),
              "key " + range_text(has.cipher.key_size) + ", iv " + range_text(has.cipher.iv_size)};
    default:
      return {"auth", known(rte_crypto_auth_algorithm_strings[has.auth.algo]),
              "key " + range_text(has.auth.key_size) + ", digest " + range_text(has.auth.digest_size)};
  }
}

CryptodevSummary summarize(const CryptodevDevice& device) {
  const rte_cryptodev_info& info = device.info();
  CryptodevSummary out;
  out.name = device.name();
  out.driver = info.driver_name;
  const rte_bus* bus = info.device ? rte_dev_bus(info.device) : nullptr;
  out.bus = bus ? rte_bus_name(bus) : "";
  out.numa_node = rte_cryptodev_socket_id(device.id());
  out.queue_pairs = info.max_nb_queue_pairs;
  out.sessions = info.sym.max_nb_sessions;
  constexpr std::string_view kHandoffs[] = {"direct", "copied into its place", "copied through DPDK's memory"};
  out.handoff = kHandoffs[static_cast<size_t>(device.handoff())];
  for (uint64_t flag = 1; flag != 0; flag <<= 1) {
    const char* name = (info.feature_flags & flag) ? rte_cryptodev_get_feature_name(flag) : nullptr;
    if (name) out.features.emplace_back(name);
  }
  for (const auto* has = info.capabilities; has && has->op != RTE_CRYPTO_OP_TYPE_UNDEFINED; ++has) {
    if (has->op == RTE_CRYPTO_OP_TYPE_SYMMETRIC) out.capabilities.push_back(describe(has->sym));
  }
  return out;
}

class Module final : public DpdkModule {
 public:
  Module(DpdkRuntime runtime, DpdkSettings settings) : runtime_(runtime), settings_(std::move(settings)) {}

  std::string about() const override { return runtime_.about(); }

  ResultOrText<std::vector<CryptodevSummary>> devices() override {
    const std::lock_guard lock(mutex_);
    std::vector<CryptodevSummary> out;
    for (uint8_t id = 0; id < RTE_CRYPTO_MAX_DEVS; ++id) {
      if (!rte_cryptodev_is_valid_dev(id)) continue;
      auto device = CryptodevDevice::open(id, settings_);
      if (!device) return fail(device.error());
      out.push_back(summarize(**device));
    }
    return out;
  }

  ResultOrText<std::unique_ptr<CryptoDriver>> make_driver(const std::string& device) override {
    const std::lock_guard lock(mutex_);
    int id = -1;
    if (device.empty()) {
      for (uint8_t i = 0; i < RTE_CRYPTO_MAX_DEVS && id < 0; ++i) id = rte_cryptodev_is_valid_dev(i) ? i : -1;
      if (id < 0) {
        return fail(
            "there is no crypto device: name one, cryptodev:ADDRESS for PCI or cryptodev:crypto_aesni_mb for software");
      }
    } else {
      if (auto brought = runtime_.bring(device); !brought) return fail(brought.error());
      id = find_cryptodev(device);
      if (id < 0) return fail(device + " is no crypto device");
    }
    auto opened = CryptodevDevice::open(static_cast<uint8_t>(id), settings_);
    if (!opened) return fail(opened.error());
    return make_cryptodev_driver(**opened);
  }

  ResultOrText<std::unique_ptr<NetPort>> open_port(const PortSettings& settings) override {
    const std::lock_guard lock(mutex_);
    auto device = ResultOrText<std::string>(settings.device);
    if (is_memif(settings.device)) device = memif_for_mtu(settings.device, settings.mtu);
    if (!device) return fail(device.error());
    const auto id = runtime_.bring_port(*device);
    if (!id) return fail(id.error());
    auto port = DpdkPort::open(*id, settings);
    if (!port) return fail(port.error() + "; " + DpdkRuntime::complaints());
    return std::unique_ptr<NetPort>(std::move(*port));
  }

 private:
  DpdkRuntime runtime_;
  DpdkSettings settings_;
  // Two workers may ask for a device that is not there yet at the same time.
  std::mutex mutex_;
};

ResultOrText<DpdkModule*> start(const DpdkHost& host) {
  if (host.build != kDpdkModuleBuild) return fail("the DPDK module is of another build than this program");
  set_log_sink(host.log);
  set_log_level(LogLevel::debug);
  auto runtime = DpdkRuntime::start(*host.settings, *host.device);
  if (!runtime) return fail(runtime.error());
  static Module module(*runtime, *host.settings);
  return &module;
}

}  // namespace
}  // namespace sluice

extern "C" __attribute__((visibility("default"))) void sluice_dpdk_start(
    const sluice::DpdkHost* host, sluice::ResultOrText<sluice::DpdkModule*>* out) {
  *out = sluice::start(*host);
}
