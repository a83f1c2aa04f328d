// Matching of names and addresses.
#include "control/keys/name_patterns.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/check.h"

namespace sluice {
namespace {

constexpr std::array<uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned kMappedBits = 96;

}  // namespace

std::string to_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

bool matches_pattern(std::string_view text, std::string_view pattern) {
  size_t at = 0;
  size_t in_pattern = 0;
  size_t star = std::string_view::npos;
  size_t star_covers_to = 0;
  while (at < text.size()) {
    if (in_pattern < pattern.size() && pattern[in_pattern] == '*') {
      star = in_pattern++;
      star_covers_to = at;
    } else if (in_pattern < pattern.size() && (pattern[in_pattern] == '?' || pattern[in_pattern] == text[at])) {
      ++in_pattern;
      ++at;
    } else if (star != std::string_view::npos) {
      // Only the last star need be widened: what lies before it has matched as early as it could.
      in_pattern = star + 1;
      at = ++star_covers_to;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', in_pattern) == std::string_view::npos;
}

PatternVerdict match_pattern_list(std::string_view text, std::string_view list) {
  PatternVerdict verdict = PatternVerdict::no_match;
  for_each_part(list, [&](std::string_view pattern) {
    const bool negated = pattern.starts_with('!');
    if (pattern.empty() || !matches_pattern(text, pattern.substr(negated ? 1 : 0))) return;
    if (negated)
      verdict = PatternVerdict::denied;
    else if (verdict == PatternVerdict::no_match)
      verdict = PatternVerdict::match;
  });
  return verdict;
}

std::optional<Address> Address::parse(std::string_view text) {
  // The zone says on which link an address is, not which address.
  const std::string bare(text.substr(0, text.find('%')));
  Address address{};
  in_addr v4;
  if (::inet_pton(AF_INET, bare.c_str(), &v4) == 1) {
    std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), address.octets.begin());
    std::memcpy(address.octets.data() + kMappedPrefix.size(), &v4, sizeof v4);
    address.v4 = true;
    return address;
  }
  if (::inet_pton(AF_INET6, bare.c_str(), address.octets.data()) != 1) return std::nullopt;
  address.v4 = std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), address.octets.begin());
  return address;
}

Address Address::of(Bytes octets) {
  SLUICE_CHECK(octets.size() == 4 || octets.size() == 16);
  Address address{};
  std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), address.octets.begin());
  std::copy(octets.begin(), octets.end(), address.octets.end() - static_cast<ptrdiff_t>(octets.size()));
  address.v4 = std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), address.octets.begin());
  return address;
}

std::string Address::text() const {
  char text[INET6_ADDRSTRLEN];
  const uint8_t* from = octets.data() + (v4 ? kMappedPrefix.size() : 0);
  return ::inet_ntop(v4 ? AF_INET : AF_INET6, from, text, sizeof text);
}

std::optional<AddressRange> AddressRange::parse(std::string_view text) {
  const size_t slash = text.find('/');
  const auto network = Address::parse(text.substr(0, slash));
  if (!network) return std::nullopt;
  AddressRange range{*network, 128};
  if (slash == std::string_view::npos) return range;
  // A mapped network's prefix counts in IPv6 bits when it was written so.
  const bool counts_v4_bits = network->v4 && text.find(':') == std::string_view::npos;
  const std::string_view digits = text.substr(slash + 1);
  unsigned bits = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.empty()) return std::nullopt;
  if (bits > (counts_v4_bits ? 32u : 128u)) return std::nullopt;
  range.prefix = bits + (counts_v4_bits ? kMappedBits : 0);
  for (unsigned bit = range.prefix; bit < 128; ++bit)
    if (network->octets[bit / 8] >> (7 - bit % 8) & 1) return std::nullopt;
  return range;
}

bool AddressRange::contains(const Address& address) const {
  // ::/0 is every IPv6 address, not every IPv4 one.
  if (address.v4 != network.v4) return false;
  const unsigned whole = prefix / 8;
  if (!std::equal(network.octets.begin(), network.octets.begin() + whole, address.octets.begin())) return false;
  if (prefix % 8 == 0) return true;
  return (network.octets[whole] ^ address.octets[whole]) >> (8 - prefix % 8) == 0;
}

ResultOrText<SourceList> SourceList::parse(std::string_view list) {
  SourceList sources;
  sources.text_ = list;
  std::string problem;
  for_each_part(list, [&](std::string_view part) {
    const bool negated = part.starts_with('!');
    if (negated) part.remove_prefix(1);
    Entry entry{negated, to_lower(part), AddressRange::parse(part)};
    if (part.empty()) problem = "empty pattern in from=";
    if (part.find('/') != std::string_view::npos && !entry.range) {
      problem = "bad address range in from=: ";
      problem.append(part);
    }
    sources.entries_.push_back(std::move(entry));
  });
  if (!problem.empty()) return fail(std::move(problem));
  return sources;
}

bool SourceList::admits(std::string_view host, std::string_view address) const {
  const std::string lower_host = to_lower(host);
  const std::string lower_address = to_lower(address);
  const auto parsed = Address::parse(address);
  bool admitted = false;
  for (const Entry& entry : entries_) {
    const bool matches = (entry.range && parsed && entry.range->contains(*parsed)) ||
                         (!lower_host.empty() && matches_pattern(lower_host, entry.pattern)) ||
                         matches_pattern(lower_address, entry.pattern);
    if (!matches) continue;
    if (entry.negated) return false;
    admitted = true;
  }
  return admitted;
}

}  // namespace sluice
