// Reading moduli(5): "time type tests trials size generator modulus", the last two in hexadecimal.
#include "control/kex/moduli.h"

#include <array>
#include <bit>
#include <charconv>
#include <optional>

#include "base/random.h"

namespace sluice {
namespace {

constexpr unsigned kSafePrime = 2;
constexpr unsigned kTestedComposite = 1;
// Debian's file has some 400 rows; what is far beyond costs memory for nothing.
constexpr size_t kMaxRows = 4096;
constexpr unsigned kMaxBits = 8192;

using Fields = std::array<std::string_view, 7>;

std::optional<Fields> split(std::string_view line) {
  Fields fields;
  for (std::string_view& field : fields) {
    const size_t start = line.find_first_not_of(" \t\r");
    if (start == std::string_view::npos) return std::nullopt;
    line = line.substr(start);
    const size_t size = std::min(line.find_first_of(" \t\r"), line.size());
    field = line.substr(0, size);
    line = line.substr(size);
  }
  if (line.find_first_not_of(" \t\r") != std::string_view::npos) return std::nullopt;
  return fields;
}

template <class Number>
bool read_number(std::string_view text, Number& out, int base) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  return error == std::errc() && end == text.data() + text.size();
}

// Big-endian without leading zeros; empty where the text is no number.
std::vector<uint8_t> read_hex(std::string_view text) {
  std::vector<uint8_t> out;
  const size_t odd = text.size() % 2;
  for (size_t i = 0; i < text.size(); i = i == 0 && odd ? 1 : i + 2) {
    uint8_t byte = 0;
    if (!read_number(text.substr(i, i == 0 && odd ? 1 : 2), byte, 16)) return {};
    if (byte != 0 || !out.empty()) out.push_back(byte);
  }
  return out;
}

unsigned bits_of(const std::vector<uint8_t>& number) {
  if (number.empty()) return 0;
  return static_cast<unsigned>(8 * (number.size() - 1)) + static_cast<unsigned>(std::bit_width(number[0]));
}

std::optional<Moduli::Row> read_row(std::string_view line) {
  const auto fields = split(line);
  if (!fields || (*fields)[0].starts_with('#')) return std::nullopt;
  unsigned type = 0;
  unsigned tests = 0;
  unsigned trials = 0;
  unsigned size = 0;
  if (!read_number((*fields)[1], type, 10) || !read_number((*fields)[2], tests, 10) ||
      !read_number((*fields)[3], trials, 10) || !read_number((*fields)[4], size, 10)) {
    return std::nullopt;
  }
  const bool tested = (tests & ~kTestedComposite) != 0 && (tests & kTestedComposite) == 0;
  if (type != kSafePrime || !tested || trials == 0 || size >= kMaxBits) return std::nullopt;
  Moduli::Row row{0, read_hex((*fields)[6]), read_hex((*fields)[5])};
  row.bits = bits_of(row.modulus);
  // The file counts from the bit below the top one.
  if (row.bits != size + 1 || (row.modulus.back() & 1) == 0) return std::nullopt;
  if (bits_of(row.generator) < 2 || bits_of(row.generator) >= row.bits) return std::nullopt;
  return row;
}

}  // namespace

Moduli Moduli::parse(std::string_view text) {
  Moduli out;
  while (!text.empty() && out.rows_.size() < kMaxRows) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (auto row = read_row(text.substr(0, end))) out.rows_.push_back(std::move(*row));
    text = text.substr(std::min(end + 1, text.size()));
  }
  return out;
}

const Moduli::Row* Moduli::choose(unsigned min, unsigned preferred, unsigned max) const {
  unsigned best = 0;
  for (const Row& row : rows_) {
    if (row.bits < min || row.bits > max) continue;
    const bool closer_above = row.bits >= preferred && (best < preferred || row.bits < best);
    const bool closer_below = row.bits < preferred && row.bits > best;
    if (closer_above || closer_below) best = row.bits;
  }
  std::vector<const Row*> candidates;
  for (const Row& row : rows_) {
    if (row.bits == best) candidates.push_back(&row);
  }
  if (candidates.empty()) return nullptr;
  uint8_t random[4];
  fill_random(random);
  return candidates[load_be32(random) % candidates.size()];
}

}  // namespace sluice
