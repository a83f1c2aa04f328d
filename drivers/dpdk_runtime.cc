// Choosing EAL's options, starting it without losing the caller's CPU affinity, and keeping what it says.
#include "drivers/dpdk_runtime.h"

#include <rte_bus.h>
#include <rte_cryptodev.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_version.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <mutex>

#include "base/log.h"

namespace sluice {
namespace {

// Enough to see the cause behind the consequence.
constexpr size_t kComplaintsKept = 4;

std::mutex g_complaints_mutex;
std::vector<std::string> g_complaints;

ssize_t take_log(void*, const char* text, size_t n) {
  std::string_view line(text, n);
  while (!line.empty() && line.back() == '\n') line.remove_suffix(1);
  if (line.empty()) return static_cast<ssize_t>(n);
  log_line(LogLevel::debug, line);
  if (rte_log_cur_msg_loglevel() <= static_cast<int>(RTE_LOG_ERR)) {
    const std::lock_guard lock(g_complaints_mutex);
    if (g_complaints.size() == kComplaintsKept) g_complaints.erase(g_complaints.begin());
    g_complaints.emplace_back(line);
  }
  return static_cast<ssize_t>(n);
}

void take_over_log() {
  cookie_io_functions_t functions{};
  functions.write = take_log;
  FILE* stream = ::fopencookie(nullptr, "w", functions);
  if (stream == nullptr) return;
  ::setvbuf(stream, nullptr, _IOLBF, 512);
  rte_openlog_stream(stream);
}

uint64_t free_hugepage_mb() {
  uint64_t bytes = 0;
  std::error_code error;
  for (const auto& folder : std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", error)) {
    const std::string name = folder.path().filename();  // hugepages-2048kB
    uint64_t pages = 0;
    std::ifstream(folder.path() / "free_hugepages") >> pages;
    bytes += pages * std::strtoull(name.c_str() + name.find('-') + 1, nullptr, 10) * 1024;
  }
  return bytes >> 20;
}

bool any_of_these(const std::vector<std::string>& args, std::initializer_list<std::string_view> options) {
  return std::any_of(args.begin(), args.end(), [&](const std::string& arg) {
    return std::any_of(options.begin(), options.end(), [&](std::string_view option) {
      // "--socket-mem=64" and "-m64" are the option too.
      return arg == option || (arg.starts_with(option) && (option.size() == 2 || arg[option.size()] == '='));
    });
  });
}

struct Start {
  std::vector<std::string> args;
  bool hugepages = true;
};

Start options(const DpdkSettings& settings, const std::vector<std::string>& devices, const cpu_set_t& affinity) {
  Start start{{"sluice", "--no-telemetry"}, true};
  auto& args = start.args;
  if (any_of_these(settings.eal_args,
                   {"--no-huge", "--in-memory", "--legacy-mem", "--huge-dir", "--socket-mem", "-m"})) {
    start.hugepages = !any_of_these(settings.eal_args, {"--no-huge"});
  } else if (free_hugepage_mb() >= settings.memory_mb) {
    args.push_back("--in-memory");
  } else {
    // --no-huge implies --legacy-mem, which --in-memory refuses; without shared configuration nothing is left behind.
    args.insert(args.end(), {"--no-huge", "--no-shconf", "-m", std::to_string(settings.memory_mb)});
    start.hugepages = false;
  }
  if (!any_of_these(settings.eal_args, {"-l", "-c", "--lcores"})) {
    // EAL would start a thread on every core that we may run on; workers bring their own.
    int cpu = 0;
    while (cpu + 1 < CPU_SETSIZE && !CPU_ISSET(cpu, &affinity)) ++cpu;
    args.insert(args.end(), {"-l", std::to_string(cpu)});
  }
  bool pci = settings.pci || any_of_these(settings.eal_args, {"-a", "--allow"});
  for (const std::string& device : devices) {
    if (!is_pci_address(device)) continue;
    args.insert(args.end(), {"-a", device});
    pci = true;
  }
  if (!pci) args.push_back("--no-pci");
  args.insert(args.end(), settings.eal_args.begin(), settings.eal_args.end());
  return start;
}

int init(const std::vector<std::string>& args) {
  // EAL permutes the pointers and keeps some of the strings.
  static std::vector<std::string> kept;
  kept = args;
  std::vector<char*> argv;
  for (std::string& arg : kept) argv.push_back(arg.data());
  argv.push_back(nullptr);
  return rte_eal_init(static_cast<int>(argv.size() - 1), argv.data());
}

}  // namespace

bool is_pci_address(const std::string& device) {
  const std::string name = device_name(device);
  unsigned domain = 0, bus = 0, slot = 0, function = 0;
  int end = 0;
  const auto whole = [&] { return end > 0 && static_cast<size_t>(end) == name.size(); };
  if (std::sscanf(name.c_str(), "%x:%x:%x.%x%n", &domain, &bus, &slot, &function, &end) == 4 && whole()) return true;
  end = 0;
  return std::sscanf(name.c_str(), "%x:%x.%x%n", &bus, &slot, &function, &end) == 3 && whole();
}

std::string device_name(const std::string& device) { return device.substr(0, device.find(',')); }

int find_cryptodev(const std::string& device) {
  const std::string name = device_name(device);
  if (const int id = rte_cryptodev_get_dev_id(name.c_str()); id >= 0 || !is_pci_address(name)) return id;
  // The name of a PCI device is its address with a suffix of its driver's: 0000:3d:01.0_qat_sym.
  for (uint8_t id = 0; id < RTE_CRYPTO_MAX_DEVS; ++id) {
    if (!rte_cryptodev_is_valid_dev(id)) continue;
    if (std::string_view(rte_cryptodev_name_get(id)).find(name) != std::string_view::npos) return id;
  }
  return -1;
}

int find_port(const std::string& device) {
  const std::string name = device_name(device);
  uint16_t id = 0;
  if (rte_eth_dev_get_port_by_name(name.c_str(), &id) == 0) return id;
  if (!is_pci_address(name)) return -1;
  // The name of a PCI device is its address with the domain, and with a number behind it where it has several ports.
  for (id = 0; id < RTE_MAX_ETHPORTS; ++id) {
    if (rte_eth_dev_is_valid_port(id) == 0) continue;
    std::array<char, RTE_ETH_NAME_MAX_LEN> full{};
    if (rte_eth_dev_get_name_by_port(id, full.data()) != 0) continue;
    if (std::string_view(full.data()).find(name) != std::string_view::npos) return id;
  }
  return -1;
}

std::string DpdkRuntime::complaints() {
  const std::lock_guard lock(g_complaints_mutex);
  std::string out;
  for (const std::string& line : g_complaints) out.append(out.empty() ? "" : "; ").append(line);
  g_complaints.clear();
  return out;
}

ResultOrText<DpdkRuntime> DpdkRuntime::start(const DpdkSettings& settings, const std::string& first_device) {
  if (any_of_these(settings.eal_args, {"-h", "--help", "-v", "--version"})) {
    return fail("--help and --version would end the process inside EAL");
  }
  std::vector<std::string> devices = settings.devices;
  if (is_pci_address(first_device)) devices.push_back(first_device);
  take_over_log();
  // EAL binds its caller to one core; where we run is the workers' own business.
  cpu_set_t affinity;
  CPU_ZERO(&affinity);
  ::sched_getaffinity(0, sizeof affinity, &affinity);
  const Start start = options(settings, devices, affinity);
  const int started = init(start.args);
  ::sched_setaffinity(0, sizeof affinity, &affinity);
  if (started < 0) {
    std::string line;
    for (size_t i = 1; i < start.args.size(); ++i) line.append(" ").append(start.args[i]);
    return fail("DPDK did not start (" + std::string(rte_strerror(rte_errno)) + "; " + complaints() +
                ") with the options" + line);
  }
  DpdkRuntime runtime(start.hugepages);
  for (const std::string& device : settings.devices) {
    if (auto brought = runtime.bring(device); !brought) return fail(brought.error());
  }
  return runtime;
}

std::string DpdkRuntime::about() const {
  return std::string(rte_version()) + ", " + (hugepages_ ? "hugepages" : "no hugepages") + ", IOVA as " +
         (rte_eal_iova_mode() == RTE_IOVA_VA ? "VA" : "PA");
}

ResultOrText<uint16_t> DpdkRuntime::bring_port(const std::string& device) {
  if (const int id = find_port(device); id >= 0) return static_cast<uint16_t>(id);
  const std::string name = device_name(device);
  if (is_pci_address(device)) {
    return fail("no port at " + device + ": it is bound to a driver of the kernel (bind it to vfio-pci with " +
                "dpdk-devbind.py), or DPDK has no driver for it; " + complaints());
  }
  const std::string args = device.size() > name.size() ? device.substr(name.size() + 1) : "";
  if (rte_eal_hotplug_add("vdev", name.c_str(), args.c_str()) != 0) {
    const std::string why = complaints();
    return fail("DPDK cannot make the port " + device + (why.empty() ? std::string() : ": " + why));
  }
  const int id = find_port(device);
  if (id < 0) return fail(device + " is no Ethernet device");
  log_line(LogLevel::info, "DPDK made the port " + device);
  return static_cast<uint16_t>(id);
}

ResultOrText<bool> DpdkRuntime::bring(const std::string& device) {
  const std::string name = device_name(device);
  if (find_cryptodev(device) >= 0) return false;
  if (is_pci_address(device)) {
    return fail("no crypto device at " + device + ": it is bound to a driver of the kernel, or DPDK has none for it, " +
                "or it was not named before DPDK started; " + complaints());
  }
  const std::string args = device.size() > name.size() ? device.substr(name.size() + 1) : "";
  constexpr std::string_view kWorker = "worker=";
  for (size_t at = args.find(kWorker); at != std::string::npos; at = args.find(kWorker, at)) {
    at += kWorker.size();
    if (auto worker = bring(args.substr(at, args.find(',', at) - at)); !worker) return worker;
  }
  if (rte_eal_hotplug_add("vdev", name.c_str(), args.c_str()) != 0) {
    const std::string why = complaints();
    return fail("DPDK cannot make the device " + device + (why.empty() ? std::string() : ": " + why));
  }
  log_line(LogLevel::info, "DPDK made the crypto device " + device);
  return true;
}

}  // namespace sluice
