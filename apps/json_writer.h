// Writing JSON in the order in which it is said.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice {

class JsonWriter {
 public:
  JsonWriter& open_object(std::string_view key = {}) { return open('{', key); }
  JsonWriter& close_object() { return close('}'); }
  JsonWriter& open_array(std::string_view key = {}) { return open('[', key); }
  JsonWriter& close_array() { return close(']'); }

  JsonWriter& text(std::string_view key, std::string_view value);
  JsonWriter& number(std::string_view key, double value);
  JsonWriter& number(std::string_view key, uint64_t value);
  JsonWriter& truth(std::string_view key, bool value);
  // An element of an array.
  JsonWriter& element(std::string_view value) { return text({}, value); }
  JsonWriter& element(double value);

  const std::string& str() const { return out_; }

 private:
  JsonWriter& open(char bracket, std::string_view key);
  JsonWriter& close(char bracket);
  void lead(std::string_view key);
  void quote(std::string_view text);

  std::string out_;
  bool first_ = true;
};

}  // namespace sluice
