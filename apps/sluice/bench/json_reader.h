// A JSON text (RFC 8259) as values in memory: results of earlier runs, which anybody may have written.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace sluice::bench {

struct JsonValue {
  enum class Kind : uint8_t { null, truth, number, text, array, object };
  Kind kind = Kind::null;
  bool truth = false;
  double number = 0;
  std::string text;
  std::vector<JsonValue> items;
  std::vector<std::pair<std::string, JsonValue>> members;

  // Null where there is none of that name.
  const JsonValue& operator[](std::string_view name) const;
  // What it says, or nothing where it is of another kind.
  std::string string() const { return kind == Kind::text ? text : std::string(); }
};

// Arrays and objects in each other; deeper ones are refused, since reading them takes stack.
inline constexpr size_t kMostJsonDepth = 32;
// A value of two bytes takes a hundred in memory; a result of a long run has some ten thousand.
inline constexpr size_t kMostJsonValues = size_t{1} << 21;

ResultOrText<JsonValue> parse_json(std::string_view text);

}  // namespace sluice::bench
