// Finding and loading sluice-dpdk.so.
#include "drivers/dpdk_module.h"

#include <dlfcn.h>

#include <filesystem>
#include <mutex>
#include <optional>

#include "drivers/dpdk_entry.h"

namespace sluice {
namespace {

#ifdef SLUICE_HAVE_DPDK

constexpr const char* kFile = "sluice-dpdk.so";
// Where it is tells in which file we are.
const char kOurAddress = 0;

std::mutex g_mutex;
DpdkSettings g_settings;
std::optional<ResultOrText<DpdkModule*>> g_module;

std::vector<std::filesystem::path> places() {
  std::vector<std::filesystem::path> out;
  std::error_code error;
  // Of a module that a foreign program loaded, the build's place is one folder up from its own.
  Dl_info ours{};
  if (::dladdr(reinterpret_cast<const void*>(&kOurAddress), &ours) != 0 && ours.dli_fname != nullptr)
    out.push_back(std::filesystem::path(ours.dli_fname).parent_path().parent_path() / kFile);
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    // Beside the executable, and two folders up: the build directory's layout is that of the source.
    const auto folder = self.parent_path();
    out.push_back(folder / kFile);
    out.push_back(folder.parent_path() / "drivers" / kFile);
    out.push_back(folder.parent_path().parent_path() / "drivers" / kFile);
  }
  out.push_back(std::filesystem::path(SLUICE_MODULE_DIR) / kFile);
  return out;
}

ResultOrText<DpdkModule*> load(const std::string& device) {
  std::string tried;
  for (const auto& path : places()) {
    std::error_code error;
    if (!std::filesystem::exists(path, error)) {
      tried.append(tried.empty() ? "" : ", ").append(path.parent_path().string());
      continue;
    }
    // Never unloaded: EAL's threads run in it.
    void* module = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (module == nullptr) return fail("the DPDK module cannot be loaded: " + std::string(::dlerror()));
    const auto entry = reinterpret_cast<DpdkModuleEntry>(::dlsym(module, kDpdkModuleEntry));
    if (entry == nullptr) return fail(path.string() + " is not Sluice's DPDK module");
    const DpdkHost host{kDpdkModuleBuild, &log_line, &g_settings, &device};
    ResultOrText<DpdkModule*> started = nullptr;
    entry(&host, &started);
    return started;
  }
  return fail("the DPDK module " + std::string(kFile) + " is not installed; looked in " + tried);
}

#endif

}  // namespace

#ifdef SLUICE_HAVE_DPDK

bool set_dpdk_settings(const DpdkSettings& settings) {
  const std::lock_guard lock(g_mutex);
  if (g_module) return false;
  g_settings = settings;
  return true;
}

ResultOrText<DpdkModule*> dpdk_module(const std::string& device) {
  const std::lock_guard lock(g_mutex);
  if (!g_module) g_module = load(device);
  return *g_module;
}

std::string dpdk_note() { return "loaded when a device is asked for: cryptodev:NAME"; }

#else

bool set_dpdk_settings(const DpdkSettings&) { return false; }
ResultOrText<DpdkModule*> dpdk_module(const std::string&) { return fail(dpdk_note()); }
std::string dpdk_note() { return SLUICE_DPDK_LEFT_OUT; }

#endif

}  // namespace sluice
