// TcpPool: a fixed number of places, in use in the order in which they were taken or moved to the end.
#pragma once

#include <cstdint>
#include <vector>

namespace sluice {

template <class T>
class TcpPool {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  explicit TcpPool(size_t most) : places_(most) {
    for (size_t i = most; i > 0; --i) free_.push_back(static_cast<uint32_t>(i - 1));
  }

  size_t size() const { return places_.size() - free_.size(); }
  bool full() const { return free_.empty(); }
  T& operator[](uint32_t i) { return places_[i].value; }
  const T& operator[](uint32_t i) const { return places_[i].value; }
  uint32_t first() const { return first_; }
  uint32_t after(uint32_t i) const { return places_[i].after; }

  // Not when full().
  uint32_t add(const T& value) {
    const uint32_t i = free_.back();
    free_.pop_back();
    places_[i].value = value;
    append(i);
    return i;
  }
  void remove(uint32_t i) {
    unlink(i);
    free_.push_back(i);
  }
  void to_end(uint32_t i) {
    unlink(i);
    append(i);
  }

 private:
  struct Place {
    T value{};
    uint32_t before = kNone;
    uint32_t after = kNone;
  };
  void append(uint32_t i) {
    places_[i].before = last_;
    places_[i].after = kNone;
    (last_ == kNone ? first_ : places_[last_].after) = i;
    last_ = i;
  }
  void unlink(uint32_t i) {
    const Place& place = places_[i];
    (place.before == kNone ? first_ : places_[place.before].after) = place.after;
    (place.after == kNone ? last_ : places_[place.after].before) = place.before;
  }

  std::vector<Place> places_;
  std::vector<uint32_t> free_;
  uint32_t first_ = kNone;
  uint32_t last_ = kNone;
};

}  // namespace sluice
