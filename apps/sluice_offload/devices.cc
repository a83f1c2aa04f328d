// Software drivers by the registry's notes, devices by what DPDK found.
#include "apps/sluice_offload/devices.h"

#include "drivers/driver_registry.h"

namespace sluice::offload {
namespace {

void add_software(std::vector<Device>& out) {
  for (const DriverNote& note : driver_notes()) {
    Device device{note.name, nullptr, note.reason, {}};
    if (note.present) {
      auto driver = make_driver(note.name);
      if (driver) {
        device.driver = std::move(*driver);
      } else {
        device.reason = driver.error();
      }
    }
    out.push_back(std::move(device));
  }
}

std::string add_all_of_dpdk(DpdkModule& module, std::vector<Device>& out) {
  auto summaries = module.devices();
  if (!summaries) return summaries.error();
  std::erase_if(out, [](const Device& d) { return d.name == "cryptodev"; });
  for (CryptodevSummary& summary : *summaries) {
    const std::string name = "cryptodev:" + summary.name;
    auto driver = module.make_driver(summary.name);
    Device device{name, nullptr, driver ? "" : driver.error(), std::move(summary)};
    if (driver) device.driver = std::move(*driver);
    out.push_back(std::move(device));
  }
  return {};
}

std::string add_named(const std::string& name, std::vector<Device>& out) {
  auto driver = make_driver(name);
  if (!driver) return driver.error();
  out.push_back({std::string((*driver)->name()), std::move(*driver), "", {}});
  return {};
}

void add_summaries(DpdkModule& module, std::vector<Device>& devices) {
  const auto summaries = module.devices();
  if (!summaries) return;
  for (Device& device : devices) {
    for (const CryptodevSummary& summary : *summaries) {
      if (device.name == "cryptodev:" + summary.name) device.summary = summary;
    }
  }
}

DpdkSettings settings_of(const Options& options) {
  DpdkSettings settings = options.dpdk;
  settings.pci |= options.pci;
  // All of them at start: EAL looks at PCI once.
  constexpr std::string_view kPrefix = "cryptodev:";
  for (const std::string& name : options.devices) {
    if (name.starts_with(kPrefix)) settings.devices.push_back(name.substr(kPrefix.size()));
  }
  return settings;
}

}  // namespace

ResultOrText<DeviceList> find_devices(const Options& options) {
  set_dpdk_settings(settings_of(options));
  DeviceList list;
  for (const std::string& name : options.devices) {
    if (auto why = add_named(name, list.devices); !why.empty()) return fail(name + ": " + why);
  }
  if (options.devices.empty()) add_software(list.devices);
  if (!options.wants_dpdk()) return list;
  auto module = dpdk_module("");
  if (!module) return fail(module.error());
  list.about_dpdk = (*module)->about();
  if (options.devices.empty()) {
    if (auto why = add_all_of_dpdk(**module, list.devices); !why.empty()) return fail(why);
  } else {
    add_summaries(**module, list.devices);
  }
  return list;
}

std::vector<const CipherSuite*> chosen_suites(const Options& options) {
  std::vector<const CipherSuite*> out;
  for (const CipherSuite& suite : cipher_suites()) {
    if (suite.negotiable && options.suites.empty()) out.push_back(&suite);
  }
  for (const std::string& name : options.suites) out.push_back(find_suite(name));
  return out;
}

}  // namespace sluice::offload
