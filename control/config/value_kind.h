// ValueKind: what a value in a command may be: how it is checked, what completes it, what help says.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

// How much of the input a value takes.
enum class ValueExtent : unsigned char {
  word,
  rest_of_line,
  delimited,  // from a delimiter to the same again, over several lines
  block,      // the lines below, to one that says exit, end or quit
};

struct ValueKind {
  std::string_view name;  // as in patterns, in capitals
  ValueExtent extent;
  std::string_view help;
  // Nothing: not such a value. Otherwise the value in the form in which it is kept.
  std::optional<std::string> (*check)(std::string_view text);
  // All there are, in the order of preference; null where they cannot be counted.
  std::vector<std::string_view> (*candidates)();
  // Some of this host, offered beside whatever else is possible; null: none.
  std::vector<std::string> (*suggestions)() = nullptr;
};

// Bounds what a line can make us hold. Room for an RSA key of 16384 bits in base64.
inline constexpr size_t kMaxValue = 16 * 1024;
// The routers' bound for names of VRFs; labels of host keys have the store's.
inline constexpr size_t kMaxVrfName = 32;
inline constexpr size_t kMaxName = 64;

// For a delimited text: one that it does not hold; empty when it holds them all, which no text that was checked does.
std::string_view delimiter_for(std::string_view text);

// "ecdsa-nistp521" -> "ecdsa-sha2-nistp521"; of "rsa", all three. Empty: nothing that we have.
// What CORES stands for.
std::vector<unsigned> core_numbers(std::string_view text);
std::vector<std::string_view> host_key_algorithms(std::string_view command_word);

const ValueKind* find_value_kind(std::string_view name);

}  // namespace sluice
