// Recursive descent, one function a kind of value; the position is in every complaint.
#include "apps/sluice/bench/json_reader.h"

#include <charconv>
#include <cmath>

namespace sluice::bench {
namespace {

void append_utf8(std::string& out, uint32_t code) {
  const auto put = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) return put(code);
  if (code < 0x800) return put(0xc0 | code >> 6), put(0x80 | (code & 0x3f));
  if (code < 0x10000) return put(0xe0 | code >> 12), put(0x80 | (code >> 6 & 0x3f)), put(0x80 | (code & 0x3f));
  put(0xf0 | code >> 18), put(0x80 | (code >> 12 & 0x3f)), put(0x80 | (code >> 6 & 0x3f)), put(0x80 | (code & 0x3f));
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  ResultOrText<JsonValue> read() {
    JsonValue value;
    const bool fine = take_value(value, 0) && (skip_space(), at_ == text_.size() || complain("something follows"));
    if (!fine) return fail("byte " + std::to_string(at_) + ": " + problem_);
    return value;
  }

 private:
  bool complain(const char* what) {
    if (problem_.empty()) problem_ = what;
    return false;
  }
  void skip_space() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }
  bool next_is(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool take_word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return complain("no value");
    at_ += word.size();
    return true;
  }

  bool take_value(JsonValue& out, size_t depth) {
    if (depth == kMostJsonDepth) return complain("too deep");
    if (++values_ > kMostJsonValues) return complain("too many values");
    skip_space();
    if (at_ == text_.size()) return complain("it ends too early");
    using Kind = JsonValue::Kind;
    switch (text_[at_]) {
      case '{': return out.kind = Kind::object, take_object(out, depth);
      case '[': return out.kind = Kind::array, take_array(out, depth);
      case '"': return out.kind = Kind::text, take_text(out.text);
      case 't': return out.kind = Kind::truth, out.truth = true, take_word("true");
      case 'f': return out.kind = Kind::truth, take_word("false");
      case 'n': return take_word("null");
      default: return out.kind = Kind::number, take_number(out.number);
    }
  }

  bool take_object(JsonValue& out, size_t depth) {
    ++at_;
    if (next_is('}')) return true;
    do {
      skip_space();
      auto& [name, value] = out.members.emplace_back();
      if (at_ == text_.size() || text_[at_] != '"') return complain("no name of a member");
      if (!take_text(name)) return false;
      if (!next_is(':')) return complain("no colon");
      if (!take_value(value, depth + 1)) return false;
    } while (next_is(','));
    return next_is('}') || complain("no end of an object");
  }

  bool take_array(JsonValue& out, size_t depth) {
    ++at_;
    if (next_is(']')) return true;
    do {
      if (!take_value(out.items.emplace_back(), depth + 1)) return false;
    } while (next_is(','));
    return next_is(']') || complain("no end of an array");
  }

  bool take_number(double& out) {
    const size_t end = std::min(text_.find_first_not_of("+-.0123456789eE", at_), text_.size());
    const auto [stop, error] = std::from_chars(text_.data() + at_, text_.data() + end, out);
    if (error != std::errc() || stop != text_.data() + end || !std::isfinite(out)) return complain("no value");
    at_ = end;
    return true;
  }

  bool take_code(uint32_t& out) {
    const char* from = text_.data() + at_;
    if (text_.size() - at_ < 4) return complain("a short escape");
    const auto [stop, error] = std::from_chars(from, from + 4, out, 16);
    if (error != std::errc() || stop != from + 4) return complain("a wrong escape");
    at_ += 4;
    return true;
  }

  bool take_escape(std::string& out) {
    constexpr std::string_view kNames = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
    if (at_ == text_.size()) return complain("no end of a text");
    const char name = text_[at_++];
    if (const size_t which = kNames.find(name); which != kNames.npos) return out.push_back(kMeant[which]), true;
    uint32_t code, low;
    if (name != 'u') return complain("an unknown escape");
    if (!take_code(code)) return false;
    if (code >= 0xd800 && code < 0xdc00) {
      if (text_.substr(at_, 2) != "\\u") return complain("half a pair");
      at_ += 2;
      if (!take_code(low)) return false;
      if (low < 0xdc00 || low > 0xdfff) return complain("half a pair");
      code = 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff));
    } else if (code >= 0xdc00 && code < 0xe000) {
      return complain("half a pair");
    }
    append_utf8(out, code);
    return true;
  }

  bool take_text(std::string& out) {
    for (++at_; at_ < text_.size();) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return complain("a control character in a text");
      if (c != '\\') {
        out.push_back(c);
      } else if (!take_escape(out)) {
        return false;
      }
    }
    return complain("no end of a text");
  }

  std::string_view text_;
  size_t at_ = 0, values_ = 0;
  std::string problem_;
};

}  // namespace

const JsonValue& JsonValue::operator[](std::string_view name) const {
  static const JsonValue kNone;
  for (const auto& [known, value] : members) {
    if (known == name) return value;
  }
  return kNone;
}

ResultOrText<JsonValue> parse_json(std::string_view text) { return Reader(text).read(); }

}  // namespace sluice::bench
