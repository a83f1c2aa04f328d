// engine-conf: a configuration of OpenSSL that loads our provider, or our ENGINE, ready to be included or named by
// OPENSSL_CONF.
#include <cstdio>
#include <filesystem>

#include "apps/sluice_offload/commands.h"

namespace sluice::offload {
namespace {

#ifdef SLUICE_ENGINES_DIR

// In the build's tree, which has the layout of the source, or where it was installed.
std::string place_of(const char* file, const char* installed) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    const auto built = self.parent_path().parent_path().parent_path() / "drivers" / "engine" / file;
    if (std::filesystem::exists(built, error)) return built.string();
  }
  return (std::filesystem::path(installed) / file).string();
}

constexpr const char* kProviderText =
    R"(# Sluice's provider beside OpenSSL's own, for programs that nobody changes: name this file in OPENSSL_CONF, or take
# its sections into openssl.cnf (`openssl version -d` tells where that is).
openssl_conf = sluice_init

[sluice_init]
providers = sluice_providers
alg_section = sluice_preference

# Sluice's where it has the algorithm, else the default's.
[sluice_preference]
default_properties = ?provider=sluice

[sluice_providers]
default = sluice_default_provider
sluice = sluice_provider

[sluice_default_provider]
activate = 1

[sluice_provider]
module = %s
# algorithms = ctr,cbc,gcm,chacha20-poly1305,hmac
%sactivate = 1
)";

constexpr const char* kEngineText =
    R"(# Sluice's ENGINE, for programs that nobody changes: name this file in OPENSSL_CONF, or take its sections into
# openssl.cnf (`openssl version -d` tells where that is).
openssl_conf = sluice_init

[sluice_init]
engines = sluice_engines
alg_section = sluice_preference

# What the ENGINE's module serves as a provider, else the default's.
[sluice_preference]
default_properties = ?provider=sluice

[sluice_engines]
sluice = sluice_engine

# Of what an ENGINE computes OpenSSL 3 gives neither an AEAD's tag nor how far a cipher has counted to programs that ask
# by parameters, as CMS, GMAC and OpenSSH's sshd do. A provider can tell, so the module brings one; the ENGINE's own
# ciphers are for programs that hand it to libcrypto. A mode that PROVIDER does not name is the ENGINE's for all.
[sluice_engine]
engine_id = sluice
dynamic_path = %s
# ALGORITHMS = ctr,cbc,gcm,chacha20-poly1305
PROVIDER = ctr,cbc,gcm,chacha20-poly1305,hmac
%sdefault_algorithms = CIPHERS
init = 1
)";

#endif

}  // namespace

int run_engine_conf(const Options& options) {
#ifdef SLUICE_ENGINES_DIR
  const std::string place = options.as_engine ? place_of("sluice-engine.so", SLUICE_ENGINES_DIR)
                                              : place_of("sluice-provider.so", SLUICE_MODULES_DIR);
  std::error_code error;
  if (!std::filesystem::exists(place, error)) {
    std::fprintf(stderr, "sluice-offload: %s is not installed: meson install puts it there\n", place.c_str());
    return kNotAvailable;
  }
  std::string device;
  if (!options.devices.empty())
    device = std::string(options.as_engine ? "DEVICE = " : "device = ") + options.devices.front() + "\n";
  std::printf(options.as_engine ? kEngineText : kProviderText, place.c_str(), device.c_str());
  return kFine;
#else
  (void)options;
  std::fprintf(stderr, "sluice-offload: this build has no engine: it was made without libipsec-mb\n");
  return kNotAvailable;
#endif
}

}  // namespace sluice::offload
