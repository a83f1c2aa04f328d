// list: what is there, and which suites it takes.
#include <cstdio>
#include <map>

#include "apps/json_writer.h"
#include "apps/sluice_offload/commands.h"

namespace sluice::offload {
namespace {

void print_summary(const CryptodevSummary& s) {
  std::printf("  DPDK driver %s on bus %s, NUMA node %d, %u queue pairs, ", s.driver.c_str(), s.bus.c_str(),
              s.numa_node, s.queue_pairs);
  s.sessions == 0 ? std::printf("any number of sessions\n") : std::printf("%u sessions\n", s.sessions);
  std::printf("  records are handed over: %s\n  features:", s.handoff.c_str());
  for (const std::string& feature : s.features) std::printf(" %s", feature.c_str());
  std::printf("\n  capabilities:\n");
  for (const CryptodevCapability& c : s.capabilities) {
    std::printf("    %-6s %-20s %s\n", c.kind.c_str(), c.algorithm.c_str(), c.sizes.c_str());
  }
}

void print_suites(const CryptoDriver& driver, const std::vector<const CipherSuite*>& suites) {
  // Suites that lack the same thing share a line.
  std::map<std::string, std::string> lacking;
  std::printf("  suites:\n");
  for (const CipherSuite* suite : suites) {
    const Support support = driver.supports(*suite);
    if (!support.yes) {
      std::string& names = lacking[support.reason];
      names.append(names.empty() ? "" : " ").append(suite->name());
      continue;
    }
    std::printf("    %-36s yes, records up to %u bytes", suite->name().c_str(), support.longest);
    if (suite->kind() == CipherKind::aes_ctr && support.counter_bits < 128) {
      std::printf(", those whose %u-bit counter would wrap in software", support.counter_bits);
    }
    std::printf("\n");
  }
  for (const auto& [reason, names] : lacking) std::printf("    no: %s:\n      %s\n", reason.c_str(), names.c_str());
}

void write_summary(JsonWriter& json, const CryptodevSummary& s) {
  json.open_object("dpdk").text("driver", s.driver).text("bus", s.bus).number("numa_node", double{1} * s.numa_node);
  json.number("queue_pairs", uint64_t{s.queue_pairs})
      .number("sessions", uint64_t{s.sessions})
      .text("handoff", s.handoff);
  json.open_array("features");
  for (const std::string& feature : s.features) json.element(feature);
  json.close_array().open_array("capabilities");
  for (const CryptodevCapability& c : s.capabilities) {
    json.open_object().text("kind", c.kind).text("algorithm", c.algorithm).text("sizes", c.sizes).close_object();
  }
  json.close_array().close_object();
}

void write_suites(JsonWriter& json, const CryptoDriver& driver, const std::vector<const CipherSuite*>& suites) {
  json.open_array("suites");
  for (const CipherSuite* suite : suites) {
    const Support support = driver.supports(*suite);
    json.open_object().text("suite", suite->name()).truth("yes", support.yes);
    if (support.yes) {
      json.number("longest", uint64_t{support.longest}).number("counter_bits", uint64_t{support.counter_bits});
    } else {
      json.text("reason", support.reason);
    }
    json.close_object();
  }
  json.close_array();
}

}  // namespace

int run_list(const Options& options, const DeviceList& list) {
  const auto suites = chosen_suites(options);
  if (options.json) {
    JsonWriter json;
    json.open_object().text("dpdk", list.about_dpdk).open_array("devices");
    for (const Device& device : list.devices) {
      json.open_object().text("name", device.name).truth("available", device.driver != nullptr);
      if (!device.driver) json.text("reason", device.reason);
      if (device.summary) write_summary(json, *device.summary);
      if (device.driver) write_suites(json, *device.driver, suites);
      json.close_object();
    }
    json.close_array().close_object();
    std::printf("%s\n", json.str().c_str());
    return kFine;
  }
  if (!list.about_dpdk.empty()) std::printf("%s\n\n", list.about_dpdk.c_str());
  for (const Device& device : list.devices) {
    std::printf("%s%s%s\n", device.name.c_str(), device.driver ? "" : ": not available: ", device.reason.c_str());
    if (device.summary) print_summary(*device.summary);
    if (device.driver) print_suites(*device.driver, suites);
    std::printf("\n");
  }
  return kFine;
}

}  // namespace sluice::offload
