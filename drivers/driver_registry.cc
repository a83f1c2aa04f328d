// Names to drivers.
#include "drivers/driver_registry.h"

#include <cstdlib>

#include "drivers/dpdk_module.h"
#include "drivers/openssl_driver.h"
#include "drivers/sim_driver.h"
#ifdef SLUICE_HAVE_IPSEC_MB
#include "drivers/ipsec_mb_driver.h"
#endif

namespace sluice {
namespace {

constexpr std::string_view kEnginePrefix = "openssl:";
constexpr std::string_view kDevicePrefix = "cryptodev:";
constexpr std::string_view kSimPrefix = "sim:";

#ifndef SLUICE_HAVE_IPSEC_MB
ResultOrText<std::unique_ptr<CryptoDriver>> make_ipsec_mb_driver() {
  return fail("this build was made without libipsec-mb (package libipsec-mb-dev, x86-64 only)");
}
#endif

ResultOrText<std::unique_ptr<CryptoDriver>> make_cryptodev(const std::string& device) {
  auto module = dpdk_module(device);
  if (!module) return fail(module.error());
  return (*module)->make_driver(device);
}

}  // namespace

std::vector<DriverNote> driver_notes() {
  std::vector<DriverNote> notes;
  const auto ipsec_mb = make_ipsec_mb_driver();
  notes.push_back({"ipsec_mb", ipsec_mb.has_value(), ipsec_mb ? "" : ipsec_mb.error()});
  notes.push_back({"openssl", true, ""});
  notes.push_back({"cryptodev", false, dpdk_note()});
  return notes;
}

ResultOrText<std::unique_ptr<CryptoDriver>> make_driver(const std::string& name) {
  if (name == "openssl") return make_openssl_driver();
  if (name.starts_with(kEnginePrefix)) return make_openssl_driver(name.substr(kEnginePrefix.size()));
  if (name == "ipsec_mb") return make_ipsec_mb_driver();
  if (name == "cryptodev") return make_cryptodev("");
  if (name.starts_with(kDevicePrefix)) return make_cryptodev(name.substr(kDevicePrefix.size()));
  if (name.starts_with(kSimPrefix)) return make_sim_driver(std::string_view(name).substr(kSimPrefix.size()));
  return fail("unknown crypto driver \"" + name +
              "\": expected ipsec_mb, openssl, openssl:ENGINE[,COMMAND=VALUE...], cryptodev or cryptodev:DEVICE");
}

ResultOrText<std::unique_ptr<DriverSet>> make_driver_set(const std::string& only) {
  std::vector<std::unique_ptr<CryptoDriver>> drivers;
  if (only.empty()) {
    if (auto ipsec_mb = make_ipsec_mb_driver()) drivers.push_back(std::move(*ipsec_mb));
  } else if (only != "openssl") {
    auto driver = make_driver(only);
    if (!driver) return fail(driver.error());
    drivers.push_back(std::move(*driver));
  }
  drivers.push_back(std::move(*make_openssl_driver()));
  return std::make_unique<DriverSet>(std::move(drivers), !only.empty());
}

ResultOrText<std::unique_ptr<DriverSet>> make_driver_set_with(std::vector<std::unique_ptr<CryptoDriver>> devices,
                                                              const OffloadOptions& options) {
  if (auto ipsec_mb = make_ipsec_mb_driver()) devices.push_back(std::move(*ipsec_mb));
  devices.push_back(std::move(*make_openssl_driver()));
  if (devices.size() > kMaxDrivers) return fail("more than " + std::to_string(kMaxDrivers) + " crypto drivers");
  return std::make_unique<DriverSet>(std::move(devices), false, options);
}

ResultOrText<std::unique_ptr<DriverSet>> make_driver_set_from_environment() {
  const char* only = std::getenv("SLUICE_CRYPTO_DRIVER");
  auto set = make_driver_set(only ? only : "");
  if (!set) return fail("SLUICE_CRYPTO_DRIVER: " + set.error());
  return set;
}

}  // namespace sluice
