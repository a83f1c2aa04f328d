// Slots of a memif: as large as its frames, or as it was told.
#include "drivers/memif_device.h"

#include <charconv>

namespace sluice {
namespace {

constexpr size_t kEthernetHeader = 14;
// What the driver takes without being told, and at most.
constexpr size_t kUsualSlot = 2048;
constexpr size_t kMostSlot = 65535;
// Slots that begin and end at lines of the cache are copied faster.
constexpr size_t kLine = 64;
constexpr std::string_view kSlotArgument = ",bsize=";

size_t round_up(size_t n) { return (n + kLine - 1) / kLine * kLine; }

}  // namespace

bool is_memif(const std::string& device) { return device.starts_with("net_memif"); }

ResultOrText<std::string> memif_for_mtu(const std::string& device, size_t mtu) {
  const size_t needed = mtu + kEthernetHeader;
  const auto advice = [](const std::string& what, size_t most) {
    return fail(what + ": an MTU of " + std::to_string(most - kEthernetHeader) + " fits");
  };
  if (needed > kMostSlot) {
    return advice("a memif has no slots for an MTU of " + std::to_string(mtu), kMostSlot);
  }
  const size_t at = device.find(kSlotArgument);
  if (at == std::string::npos) {
    if (needed <= kUsualSlot) return device;
    const size_t slot = round_up(needed) <= kMostSlot ? round_up(needed) : needed;
    return device + std::string(kSlotArgument) + std::to_string(slot);
  }
  const char* const first = device.data() + at + kSlotArgument.size();
  const char* const end = device.data() + device.size();
  size_t slot = 0;
  const auto read = std::from_chars(first, end, slot);
  if (read.ec != std::errc() || (read.ptr != end && *read.ptr != ',')) {
    return fail("bsize of " + device + " is no number");
  }
  if (slot > kMostSlot || slot <= kEthernetHeader) {
    return fail("bsize of " + device + " is between " + std::to_string(kEthernetHeader + 1) + " and " +
                std::to_string(kMostSlot));
  }
  if (slot < needed) {
    return advice("an MTU of " + std::to_string(mtu) + " needs slots of " + std::to_string(needed) + " bytes, and " +
                      device + " asks for " + std::to_string(slot) + "; leave bsize out or make it larger",
                  slot);
  }
  return device;
}

}  // namespace sluice
