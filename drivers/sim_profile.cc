// The table of profiles and the words that configure one.
#include "drivers/sim_profile.h"

#include <charconv>

namespace sluice {
namespace {

constexpr std::array kProfiles{
    SimProfile{"qat-gen2", true, true, true, true},
    SimProfile{"qat-gen4", true, true, false, true},
    // The NIC's crypto block as newer DPDK drives it; 22.11's driver has AES-XTS only.
    SimProfile{"mlx5-gcm", true, false, false, false},
};

// An mbuf's length is 16 bits: with the sequence number in front of a chain, with the tag behind GCM.
constexpr uint32_t kMostInMbuf = 65535;
constexpr uint32_t kLongestGcm = kMostInMbuf - 16;
constexpr uint32_t kLongestChain = kMostInMbuf - 4 - kMaxTagBytes;

std::optional<uint64_t> scaled(std::string_view text, bool decimal_units) {
  uint64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  const std::string_view unit(rest, static_cast<size_t>(text.data() + text.size() - rest));
  if (unit.empty()) return number;
  if (decimal_units) {
    if (unit == "g") return number * 1'000'000'000;
    if (unit == "m") return number * 1'000'000;
    return std::nullopt;
  }
  if (unit == "ns") return number;
  if (unit == "us") return number * 1'000;
  if (unit == "ms") return number * 1'000'000;
  return std::nullopt;
}

bool set(SimOptions& options, std::string_view name, std::string_view value) {
  const std::optional<uint64_t> time = scaled(value, false);
  const std::optional<uint64_t> number = scaled(value, true);
  const auto to = [](auto& field, const std::optional<uint64_t>& from, uint64_t most) {
    if (!from || *from > most) return false;
    field = static_cast<std::decay_t<decltype(field)>>(*from);
    return true;
  };
  constexpr uint64_t kMillion = 1'000'000;
  constexpr uint64_t kMinute = 60'000'000'000;
  SimFaults& faults = options.faults;
  if (name == "latency") return to(options.latency_ns, time, kMinute);
  if (name == "stop") return to(options.stop_ns, time, kMinute);
  if (name == "bandwidth") return to(options.bits_per_second, number, ~uint64_t{0}) && options.bits_per_second > 0;
  if (name == "depth") return to(options.depth, number, 4096) && options.depth > 0;
  if (name == "jitter") return to(options.jitter_percent, number, 1000);
  if (name == "legacy") return to(options.legacy, number, 1);
  if (name == "seed") return to(faults.seed, number, ~uint64_t{0});
  if (name == "outage") return to(faults.most_outage_ns, time, kMinute) && (faults.least_outage_ns = *time, true);
  if (name == "errors") return to(faults.errors, number, kMillion);
  if (name == "wrong_seals") return to(faults.wrong_seals, number, kMillion);
  if (name == "false_bad_tags") return to(faults.false_bad_tags, number, kMillion);
  if (name == "lost_ops") return to(faults.lost_ops, number, kMillion);
  if (name == "refusals") return to(faults.refusals, number, kMillion);
  if (name == "stalls") return to(faults.stalls, number, kMillion);
  if (name == "losses") return to(faults.losses, number, kMillion);
  return false;
}

}  // namespace

std::span<const SimProfile> sim_profiles() { return kProfiles; }

ResultOrText<SimOptions> parse_sim_options(std::string_view text) {
  SimOptions options;
  const std::string_view wanted = text.substr(0, text.find(','));
  std::string known;
  for (const SimProfile& profile : kProfiles) {
    if (profile.name == wanted) options.profile = &profile;
    known.append(known.empty() ? "" : ", ").append(profile.name);
  }
  if (options.profile == nullptr) {
    return fail("unknown device profile \"" + std::string(wanted) + "\": expected one of " + known);
  }
  while (text.find(',') != std::string_view::npos) {
    text.remove_prefix(text.find(',') + 1);
    const std::string_view word = text.substr(0, text.find(','));
    const size_t equals = word.find('=');
    if (equals == std::string_view::npos || !set(options, word.substr(0, equals), word.substr(equals + 1))) {
      return fail("option \"" + std::string(word) + "\" of a simulated device is unknown or out of range");
    }
  }
  return options;
}

Support sim_supports(const SimProfile& profile, bool legacy, const CipherSuite& suite) {
  const bool with_legacy = legacy && profile.legacy_option;
  const char* ask_legacy = profile.legacy_option ? ": only with legacy capabilities" : "";
  switch (suite.kind()) {
    case CipherKind::none: return Support::no("protects nothing");
    case CipherKind::chacha20_poly1305:
      return Support::no("a device's chacha20-poly1305 is RFC 8439's; SSH's has a second key for the length");
    case CipherKind::aes_gcm:
      if (!profile.gcm) return Support::no("no AES-GCM");
      return {true, {}, kLongestGcm, 128, 1};
    case CipherKind::aes_ctr:
    case CipherKind::aes_cbc:
      if (!profile.aes_chains) return Support::no("no AES-CTR or AES-CBC with HMAC, only AES-GCM");
      break;
    case CipherKind::des3_cbc:
      if (!profile.des3 && !with_legacy) return Support::no(std::string("no 3DES") + ask_legacy);
      break;
  }
  if (suite.mac_kind() == MacKind::hmac_md5 && !with_legacy) {
    return Support::no(std::string("no HMAC-MD5") + ask_legacy);
  }
  return {true, {}, kLongestChain, 128, 1};
}

}  // namespace sluice
