// Commas, quotes and escapes (RFC 8259 section 7).
#include "apps/json_writer.h"

#include <array>
#include <cmath>
#include <cstdio>

namespace sluice {

JsonWriter& JsonWriter::open(char bracket, std::string_view key) {
  lead(key);
  out_.push_back(bracket);
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  out_.push_back(bracket);
  first_ = false;
  return *this;
}

void JsonWriter::lead(std::string_view key) {
  if (!first_) out_.push_back(',');
  first_ = false;
  if (key.empty()) return;
  quote(key);
  out_.push_back(':');
}

void JsonWriter::quote(std::string_view text) {
  out_.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out_.push_back('\\');
      out_.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      std::array<char, 8> escaped;
      std::snprintf(escaped.data(), escaped.size(), "\\u%04x", static_cast<unsigned>(c));
      out_.append(escaped.data());
    } else {
      out_.push_back(c);
    }
  }
  out_.push_back('"');
}

JsonWriter& JsonWriter::text(std::string_view key, std::string_view value) {
  lead(key);
  quote(value);
  return *this;
}

JsonWriter& JsonWriter::number(std::string_view key, double value) {
  lead(key);
  // JSON has no word for what is no number.
  if (!std::isfinite(value)) {
    out_.append("null");
    return *this;
  }
  std::array<char, 32> digits;
  std::snprintf(digits.data(), digits.size(), "%.9g", value);
  out_.append(digits.data());
  return *this;
}

JsonWriter& JsonWriter::number(std::string_view key, uint64_t value) {
  lead(key);
  out_.append(std::to_string(value));
  return *this;
}

JsonWriter& JsonWriter::element(double value) { return number(std::string_view(), value); }

JsonWriter& JsonWriter::truth(std::string_view key, bool value) {
  lead(key);
  out_.append(value ? "true" : "false");
  return *this;
}

}  // namespace sluice
