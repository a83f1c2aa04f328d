// The one rule by which a struct with `fields` becomes bytes and back: each field in order, nothing before or after.
//
// Texts hold no NUL: to the kernel a name ends there, and a policy would have judged another name than the one used.
#pragma once

#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/wire.h"

namespace sluice {

class FieldWriter {
 public:
  template <class T>
  void put(const T& value) {
    if constexpr (requires { T::fields(value); }) {
      std::apply([this](const auto&... each) { (put(each), ...); }, T::fields(value));
    } else if constexpr (std::is_enum_v<T>) {
      out_.u8(static_cast<uint8_t>(value));
    } else if constexpr (std::is_same_v<T, bool>) {
      out_.boolean(value);
    } else if constexpr (std::is_same_v<T, uint32_t>) {
      out_.u32(value);
    } else {
      static_assert(std::is_same_v<T, uint64_t> || std::is_same_v<T, int64_t>);
      out_.u64(static_cast<uint64_t>(value));
    }
  }
  void put(const std::string& text) {
    fit_ = fit_ && text.find('\0') == std::string::npos;
    out_.string(text);
  }
  void put(const std::vector<uint8_t>& bytes) { out_.string(bytes); }
  template <class T>
  void put(const std::optional<T>& value) {
    out_.boolean(value.has_value());
    if (value) put(*value);
  }
  template <class A, class B>
  void put(const std::pair<A, B>& value) {
    put(value.first);
    put(value.second);
  }
  template <class T>
  void put(const std::vector<T>& list) {
    out_.u32(static_cast<uint32_t>(list.size()));
    for (const T& each : list) put(each);
  }

  WireWriter& out() { return out_; }
  // False: a text had a NUL in it.
  bool fit() const { return fit_; }

 private:
  WireWriter out_;
  bool fit_ = true;
};

class FieldReader {
 public:
  // max_list: elements that a list may have; each costs an allocation before the bytes behind it were seen.
  FieldReader(Bytes from, size_t max_list) : in_(from), max_list_(max_list) {}

  template <class T>
  void get(T& value) {
    if constexpr (requires { T::fields(value); }) {
      std::apply([this](auto&... each) { (get(each), ...); }, T::fields(value));
    } else if constexpr (std::is_enum_v<T>) {
      const uint8_t number = in_.u8();
      demand(number < static_cast<uint8_t>(T::count_));
      value = ok_ ? static_cast<T>(number) : T{};
    } else if constexpr (std::is_same_v<T, bool>) {
      value = flag();
    } else if constexpr (std::is_same_v<T, uint32_t>) {
      value = in_.u32();
    } else {
      static_assert(std::is_same_v<T, uint64_t> || std::is_same_v<T, int64_t>);
      value = static_cast<T>(in_.u64());
    }
  }
  void get(std::string& text) {
    text = in_.text();
    demand(text.find('\0') == std::string::npos);
  }
  void get(std::vector<uint8_t>& bytes) {
    const Bytes value = in_.string();
    bytes.assign(value.begin(), value.end());
  }
  template <class T>
  void get(std::optional<T>& value) {
    if (flag()) get(value.emplace());
  }
  template <class A, class B>
  void get(std::pair<A, B>& value) {
    get(value.first);
    get(value.second);
  }
  template <class T>
  void get(std::vector<T>& list) {
    const uint32_t count = in_.u32();
    demand(count <= max_list_);
    for (uint32_t i = 0; i < count && good(); ++i) get(list.emplace_back());
  }

  WireReader& in() { return in_; }
  bool good() const { return ok_ && in_.ok(); }
  bool done() const { return good() && in_.at_end(); }

 private:
  void demand(bool condition) { ok_ = ok_ && condition; }
  // A truth value has one encoding.
  bool flag() {
    const uint8_t value = in_.u8();
    demand(value <= 1);
    return value == 1;
  }

  WireReader in_;
  size_t max_list_;
  bool ok_ = true;
};

}  // namespace sluice
