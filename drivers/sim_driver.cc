// Keys and ops of the data path into jobs of the simulated device.
#include "drivers/sim_driver.h"

#include <algorithm>

#include "base/check.h"
#include "drivers/openssl_driver.h"
#ifdef SLUICE_HAVE_IPSEC_MB
#include "drivers/ipsec_mb_driver.h"
#endif

namespace sluice {
namespace {

struct SimKey final : PreparedKey {
  std::unique_ptr<PreparedKey> inner;
};

std::unique_ptr<CryptoDriver> fastest_software() {
#ifdef SLUICE_HAVE_IPSEC_MB
  if (auto driver = make_ipsec_mb_driver()) return std::move(*driver);
#endif
  return std::move(*make_openssl_driver());
}

}  // namespace

SimDriver::SimDriver(std::unique_ptr<CryptoDriver> computes, const SimOptions& options)
    : name_("sim:" + std::string(options.profile->name)), options_(options), device_(std::move(computes), options) {}

Support SimDriver::supports(const CipherSuite& suite) const {
  Support support = sim_supports(*options_.profile, options_.legacy, suite);
  if (!support.yes) return support;
  const Support computed = device_.computes().supports(suite);
  if (!computed.yes) return computed;
  support.longest = std::min(support.longest, computed.longest);
  support.counter_bits = std::min(support.counter_bits, computed.counter_bits);
  return support;
}

ResultOrText<std::unique_ptr<PreparedKey>> SimDriver::prepare(const CipherSuite& suite, Direction direction,
                                                              const KeyMaterial& keys) {
  const Support support = supports(suite);
  if (!support.yes) return fail(support.reason);
  auto inner = device_.computes().prepare(suite, direction, keys);
  if (!inner) return fail(inner.error());
  auto key = std::make_unique<SimKey>();
  key->inner = std::move(*inner);
  return key;
}

std::unique_ptr<CryptoDriver> SimDriver::sibling() const {
  SimOptions options = options_;
  options.faults = {};
  options.virtual_clock = nullptr;
  return make_sim_driver(options);
}

size_t SimDriver::submit(std::span<CryptoOp* const> ops) {
  if (ops.empty() || !device_.open_burst()) return 0;
  size_t taken = 0;
  while (taken < ops.size() && device_.put(*ops[taken], *static_cast<SimKey&>(*ops[taken]->key).inner)) ++taken;
  device_.ring_doorbell();
  return taken;
}

// Safe beside the computing thread: a driver keeps what it answers these with apart from what it seals with, for all
// suites that a device supports.
void SimDriver::read_lengths(std::span<LengthQuestion> questions) {
  for (LengthQuestion& question : questions) {
    PreparedKey* outer = std::exchange(question.key, static_cast<SimKey&>(*question.key).inner.get());
    device_.computes().read_lengths({&question, 1});
    question.key = outer;
  }
}

std::unique_ptr<SimDriver> make_sim_driver(const SimOptions& options) {
  SLUICE_CHECK(options.profile != nullptr);
  return std::make_unique<SimDriver>(fastest_software(), options);
}

ResultOrText<std::unique_ptr<SimDriver>> make_sim_driver(std::string_view text) {
  const auto options = parse_sim_options(text);
  if (!options) return fail(options.error());
  return make_sim_driver(*options);
}

}  // namespace sluice
