// From how many records at hand the lanes of a multi-buffer driver beat single-buffer code: measured, not guessed.
//
// Sixteen hash lanes with one record in them cost the same as sixteen full ones. Where the break-even lies depends on
// CPU, digest and size, so it is timed once a process, suite and pair of drivers (about a millisecond), on control's
// thread with driver instances of its own.
#pragma once

#include <array>
#include <cstdint>

#include "crypto_offload/crypto_driver.h"

namespace sluice {

// Records below a cut are latency, above it throughput; their break-evens differ.
enum class SizeClass : uint8_t { small, large };
inline constexpr size_t kSizeClasses = 2;
inline constexpr uint32_t kLargeFrom = 2048;
constexpr SizeClass size_class(uint32_t length) { return length < kLargeFrom ? SizeClass::small : SizeClass::large; }

// Records at hand from which a candidate is the right choice; 0 is always, kNever is never.
using PaysFrom = std::array<uint8_t, kSizeClasses>;
inline constexpr uint8_t kNever = 255;

// 0 where `driver` has one lane or either side has no sibling to measure with.
PaysFrom crossover(const CryptoDriver& driver, const CryptoDriver& single, const CipherSuite& suite);

}  // namespace sluice
