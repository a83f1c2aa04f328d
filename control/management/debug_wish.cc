// Wishes as words, on their way to the network process.
#include "control/management/debug_wish.h"

#include <charconv>

namespace sluice {
namespace {

std::string_view next_word(std::string_view& text) {
  const size_t blank = text.find(' ');
  const std::string_view word = text.substr(0, blank);
  text.remove_prefix(blank == text.npos ? text.size() : blank + 1);
  return word;
}

template <class Number>
bool read_number(std::string_view word, Number& number) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  return error == std::errc() && end == word.data() + word.size();
}

}  // namespace

std::string wishes_text(std::span<const DebugWish> wishes) {
  std::string text;
  for (const DebugWish& wish : wishes) {
    text.append(text.empty() ? "" : " ").append(std::to_string(wish.kinds)).append(" ");
    text.append(std::to_string(wish.session)).append(" ").append(wish.address.empty() ? "-" : wish.address);
  }
  return text;
}

std::vector<DebugWish> read_wishes(std::string_view text) {
  std::vector<DebugWish> wishes;
  while (!text.empty() && wishes.size() < kMostWishesTold) {
    DebugWish wish;
    if (!read_number(next_word(text), wish.kinds) || !read_number(next_word(text), wish.session)) break;
    const std::string_view address = next_word(text);
    if (address != "-") wish.address = address;
    wishes.push_back(std::move(wish));
  }
  return wishes;
}

}  // namespace sluice
