// The pattern lists of authorized_keys and known_hosts: '*', '?', negation with '!', and address ranges.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace sluice {

enum class PatternVerdict : uint8_t { no_match, match, denied };

std::string to_lower(std::string_view text);

// '*' stands for any run of characters, '?' for one. Time is the product of the lengths, whatever the pattern.
bool matches_pattern(std::string_view text, std::string_view pattern);
// Comma-separated; one match of a negated pattern denies whatever else matches.
PatternVerdict match_pattern_list(std::string_view text, std::string_view list);

// An IPv4 or IPv6 address as 16 octets; IPv4 and its mapped form are the same.
struct Address {
  std::array<uint8_t, 16> octets;
  bool v4;

  static std::optional<Address> parse(std::string_view text);
  // From the 4 or 16 octets that the network has.
  static Address of(Bytes octets);
  // As people write it; a mapped address as the IPv4 one.
  std::string text() const;
  bool operator==(const Address&) const = default;
};

struct AddressRange {
  Address network;
  unsigned prefix;  // of the 128 bits

  // "10.0.0.0/8", "2001:db8::/32". Bits behind the prefix are an error: the writer meant something else.
  static std::optional<AddressRange> parse(std::string_view text);
  bool contains(const Address& address) const;
};

// from="...": where a key may be used from.
class SourceList {
 public:
  static ResultOrText<SourceList> parse(std::string_view list);
  // host may be empty where the name is not known; address is text as the socket gave it.
  bool admits(std::string_view host, std::string_view address) const;
  std::string_view text() const { return text_; }

 private:
  struct Entry {
    bool negated;
    std::string pattern;
    std::optional<AddressRange> range;
  };

  std::string text_;
  std::vector<Entry> entries_;
};

// Calls use(part) for each comma-separated part, empty ones too.
template <class Use>
void for_each_part(std::string_view list, Use use) {
  for (;;) {
    const size_t comma = list.find(',');
    use(list.substr(0, comma));
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace sluice
