// Whatever lines the table allows: what they make is printed as lines that make the same.
#include <array>
#include <cstdlib>
#include <random>

#include "tests/unit/config/config_world.h"

namespace sluice::test {
namespace {

constexpr std::string_view kKey =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBPPr5zUKdq5ifoL7ZS3mbmpYqXTuk0lzQ6pNNJ0rXHJ user@host";

using Random = std::mt19937_64;

size_t below(Random& random, size_t bound) { return random() % bound; }

// Few values of each kind, so that entries meet and replace each other.
std::string sample(const ValueKind& kind, Random& random) {
  if (kind.candidates) {
    const auto all = kind.candidates();
    return std::string(all[below(random, all.size())]);
  }
  static const std::map<std::string_view, std::array<std::string_view, 3>> kSamples{
      {"ADDRESS", {"192.0.2.1", "::", "2001:db8::1"}},
      {"NETWORK", {"192.0.2.0/24", "10.0.0.1", "2001:db8::/32"}},
      {"PREFIX", {"192.0.2.1/24", "2001:db8::1/64"}},
      {"SOURCE", {"any", "10.0.0.0/8", "2001:db8::/32"}},
      {"PORT", {"any", "22", "65535"}},
      {"UMASK", {"22", "0077", "777"}},
      {"CORES", {"0", "0-3,6", "1,2"}},
      {"HASH", {"0123456789abcdef0123456789abcdef", "key1", "FEDCBA9876543210FEDCBA9876543210"}},
      {"WAY", {"publickey", "password,publickey", "keyboard-interactive"}},
      {"FILE", {"/known", "slot1:/server_pubkey", "disk0:/k"}},
      {"PATH", {"/", "/srv/a folder", "/home/%u"}},
      {"LINE", {"$6$salt$hash", "two words", "5"}},
      {"TEXT", {"#one#", "^Ctwo\n lines\n!\n^C", "%a # and ^C%"}},
      {"HOSTNAME", {"a", "host-1.example.org", "X"}},
  };
  const auto found = kSamples.find(kind.name);
  if (found != kSamples.end()) return std::string(found->second[below(random, 3)]);
  return std::string(std::array{"a", "b-1", "default"}[below(random, 3)]);
}

std::string sample(const PatternElement& element, Platform platform, Random& random) {
  switch (element.type) {
    case PatternElement::Type::keyword:
    case PatternElement::Type::choice: return std::string(element.words[below(random, element.words.size())]);
    case PatternElement::Type::number: {
      const uint64_t most = platform == Platform::sluice ? element.host_most : element.most;
      const uint64_t middle = element.least + random() % (most - element.least + 1);
      return std::to_string(std::array{element.least, most, middle}[below(random, 3)]);
    }
    case PatternElement::Type::kind: break;
  }
  if (element.kind->extent == ValueExtent::block) return text("\n", kKey, "\nexit");
  return sample(*element.kind, random);
}

std::string line_for(const CommandRow& row, Platform platform, Random& random) {
  const CommandPattern& pattern = config_grammar().pattern_of(row);
  std::string line;
  if (below(random, 8) == 0) line = below(random, 2) == 0 ? "no " : "default ";
  const std::vector<uint16_t>* next = &pattern.first;
  for (size_t count = 0;; ++count) {
    const PatternElement& element = pattern.elements[(*next)[below(random, next->size())]];
    line.append(sample(element, platform, random)).append(" ");
    const bool rest = element.kind && element.kind->extent != ValueExtent::word;
    if (element.may_end && (rest || element.next.empty() || count > 12 || below(random, 2) == 0)) return line + "\n";
    next = &element.next;
  }
}

std::string lines_of_mode(Mode mode, Platform platform, Random& random, size_t count) {
  std::vector<const CommandRow*> rows;
  for (const CommandRow& row : config_commands())
    if (row.mode == mode && row.setting != "platform") rows.push_back(&row);
  std::string lines;
  for (size_t i = 0; i < count; ++i) {
    const CommandRow& row = *rows[below(random, rows.size())];
    lines.append(line_for(row, platform, random));
    if (row.opens_mode()) lines.append(lines_of_mode(row.enters, platform, random, 1 + below(random, 4)));
  }
  return lines;
}

TEST(ConfigProperty, prints_lines_that_parse_back_to_the_same) {
  const char* given = std::getenv("SLUICE_TEST_SEED");
  const uint64_t first = given ? std::strtoull(given, nullptr, 10) : 1;
  size_t refused = 0, taken = 0;
  for (uint64_t seed = first; seed < first + (given ? 1 : 200); ++seed) {
    Random random(seed);
    const auto platform = static_cast<Platform>(below(random, 3));
    const std::string_view name = std::array{"sluice", "ios", "ios-xr"}[static_cast<size_t>(platform)];
    const std::string lines = text("platform ", name, "\n", lines_of_mode(Mode::global, platform, random, 40));
    const ParsedConfig parsed = parse(lines);
    taken += 40;
    refused += parsed.errors.size();
    for (const bool defaults : {false, true}) {
      const std::string printed = running_config(parsed.config, kMachine, {.defaults = defaults});
      const ParsedConfig again = parse(printed);
      ASSERT_TRUE(again.ok()) << "SLUICE_TEST_SEED=" << seed << "\n" << again.errors.front().text() << "\n" << printed;
      ASSERT_TRUE(again.config == parsed.config) << "SLUICE_TEST_SEED=" << seed << "\n"
                                                 << lines << "\n-- printed --\n"
                                                 << printed << "\n-- again --\n"
                                                 << running_config(again.config, kMachine, {.defaults = defaults});
      ASSERT_EQ(running_config(again.config, kMachine, {.defaults = defaults}), printed) << "SLUICE_TEST_SEED=" << seed;
    }
    EXPECT_TRUE(diff(parsed.config, parsed.config).empty());
  }
  // Secrets of a type that the sample is not, sources of the other family: few.
  EXPECT_LT(refused, taken / 4);
}

TEST(ConfigProperty, shortens_every_keyword_to_what_is_unique) {
  for (const CommandRow& row : config_commands()) {
    Random random(7);
    if (row.pattern.find("BLOCK") != std::string_view::npos || row.pattern.find("LINE") != std::string_view::npos)
      continue;
    std::string line = line_for(row, Platform::sluice, random);
    line.pop_back();
    const size_t blank = line.find(' ');
    for (size_t length = 1; length <= blank; ++length) {
      const auto matched =
          config_grammar().match(row.mode, text(line.substr(0, length), line.substr(blank)), Platform::sluice);
      if (matched) {
        EXPECT_EQ(matched->row->setting, row.setting) << line;
      }
      if (length == blank && row.pattern.find("TEXT") == std::string_view::npos) {
        EXPECT_TRUE(matched.has_value()) << line;
      }
    }
  }
}

}  // namespace
}  // namespace sluice::test
