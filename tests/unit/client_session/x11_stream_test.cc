// The cookie of an X11 connection's first packet, whole, cut and wrong.
#include "services/client_session/x11_stream.h"

#include <gtest/gtest.h>

namespace sluice::test {
namespace {

const std::vector<uint8_t> kFake{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
const std::vector<uint8_t> kReal(16, 0xee);

X11Display some_display() {
  X11Display display;
  display.shown.protocol = "MIT-MAGIC-COOKIE-1";
  display.shown.cookie = kFake;
  display.cookie = kReal;
  return display;
}

std::vector<uint8_t> greeting(bool big, std::string_view name, const std::vector<uint8_t>& cookie) {
  std::vector<uint8_t> out{static_cast<uint8_t>(big ? 'B' : 'l'), 0};
  const auto two = [&](size_t n) {
    const auto high = static_cast<uint8_t>(n >> 8), low = static_cast<uint8_t>(n);
    out.push_back(big ? high : low);
    out.push_back(big ? low : high);
  };
  two(11), two(0), two(name.size()), two(cookie.size()), two(0);
  out.insert(out.end(), name.begin(), name.end());
  while (out.size() % 4 != 0) out.push_back(0);
  out.insert(out.end(), cookie.begin(), cookie.end());
  while (out.size() % 4 != 0) out.push_back(0);
  return out;
}

TEST(X11Cookie, is_replaced_in_either_byte_order_and_nothing_else_is) {
  for (const bool big : {false, true}) {
    auto setup = greeting(big, "MIT-MAGIC-COOKIE-1", kFake);
    setup.push_back(77);
    EXPECT_EQ(swap_x11_cookie(setup, some_display()), X11Setup::good);
    auto wanted = greeting(big, "MIT-MAGIC-COOKIE-1", kReal);
    wanted.push_back(77);
    EXPECT_EQ(setup, wanted);
  }
}

TEST(X11Cookie, is_waited_for_byte_by_byte) {
  const auto whole = greeting(false, "MIT-MAGIC-COOKIE-1", kFake);
  for (size_t n = 0; n < whole.size(); ++n) {
    std::vector<uint8_t> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
    EXPECT_EQ(swap_x11_cookie(cut, some_display()), X11Setup::more) << n;
  }
}

TEST(X11Cookie, that_is_another_of_another_length_or_protocol_is_wrong) {
  auto other = kFake;
  other.back() ^= 1;
  auto shorter = kFake;
  shorter.pop_back();
  for (auto setup :
       {greeting(false, "MIT-MAGIC-COOKIE-1", other), greeting(false, "MIT-MAGIC-COOKIE-1", shorter),
        greeting(true, "MIT-MAGIC-COOKIE-2", kFake), greeting(true, "", {}), std::vector<uint8_t>(12, 'x')}) {
    const auto before = setup;
    EXPECT_EQ(swap_x11_cookie(setup, some_display()), X11Setup::wrong);
    EXPECT_EQ(setup, before) << "nothing of the display's goes anywhere";
  }
}

}  // namespace
}  // namespace sluice::test
