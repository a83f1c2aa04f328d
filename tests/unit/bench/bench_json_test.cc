// JSON of strangers: every form of a value, and every way to be wrong.
#include <gtest/gtest.h>

#include <limits>

#include "apps/json_writer.h"
#include "apps/sluice/bench/json_reader.h"

namespace sluice::bench {
namespace {

TEST(BenchJson, Reader_takes_every_kind_of_value) {
  const auto value = parse_json(R"( {"a": [1, -2.5e3, true, false, null, "x"], "b": {"c": {}}, "d": []} )");
  ASSERT_TRUE(value) << value.error();
  const auto& items = (*value)["a"].items;
  ASSERT_EQ(items.size(), 6u);
  EXPECT_EQ(items[0].number, 1);
  EXPECT_EQ(items[1].number, -2500);
  EXPECT_TRUE(items[2].truth);
  EXPECT_FALSE(items[3].truth);
  EXPECT_EQ(items[4].kind, JsonValue::Kind::null);
  EXPECT_EQ(items[5].text, "x");
  EXPECT_EQ((*value)["b"]["c"].kind, JsonValue::Kind::object);
  EXPECT_EQ((*value)["none"]["of"]["these"].kind, JsonValue::Kind::null);
}

TEST(BenchJson, Escapes_become_UTF8) {
  const auto value = parse_json(R"("\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00")");
  ASSERT_TRUE(value) << value.error();
  EXPECT_EQ(value->text, "\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
}

TEST(BenchJson, Reader_refuses_what_is_no_JSON) {
  for (const char* wrong :
       {"",        "{",         "[1,]",        "{\"a\"}",     "{\"a\":}",           "{a:1}", "[1 2]", "\"",
        "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "tru",   "nul",   "1.2.3",
        "1e999",   "-",         "[1]x",        "\"a\nb\"",    "{\"a\":1,}",         "\"\\"})
    EXPECT_FALSE(parse_json(wrong)) << wrong;
}

TEST(BenchJson, Nesting_is_bounded) {
  const std::string fine = std::string(kMostJsonDepth - 1, '[') + std::string(kMostJsonDepth - 1, ']');
  EXPECT_TRUE(parse_json(fine));
  EXPECT_FALSE(parse_json(std::string(100000, '[')));
  EXPECT_FALSE(parse_json(std::string(kMostJsonDepth + 1, '[') + std::string(kMostJsonDepth + 1, ']')));
}

TEST(BenchJson, What_the_writer_says_the_reader_understands) {
  JsonWriter json;
  const std::string odd = "a\"b\\c\n\x01\xc3\xa9";
  json.open_object().text("t", odd).number("n", 0.1).number("u", uint64_t{1} << 40).truth("b", true);
  json.number("none", std::numeric_limits<double>::quiet_NaN()).open_array("l").element(1.5).element("x").close_array();
  json.close_object();
  const auto value = parse_json(json.str());
  ASSERT_TRUE(value) << value.error() << json.str();
  EXPECT_EQ((*value)["t"].text, odd);
  EXPECT_EQ((*value)["n"].number, 0.1);
  EXPECT_EQ((*value)["u"].number, static_cast<double>(uint64_t{1} << 40));
  EXPECT_TRUE((*value)["b"].truth);
  EXPECT_EQ((*value)["none"].kind, JsonValue::Kind::null);
  EXPECT_EQ((*value)["l"].items.size(), 2u);
}

TEST(BenchJson, More_values_than_a_result_has_are_refused) {
  std::string text = "[0";
  for (size_t i = 0; i < kMostJsonValues; ++i) text += ",0";
  EXPECT_FALSE(parse_json(text + "]"));
}

}  // namespace
}  // namespace sluice::bench
