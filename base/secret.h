// Bytes that must not outlive their use: keys, passwords, shared secrets. Wiped when dropped, never copied unasked.
#pragma once

#include <memory>
#include <utility>

#include "base/bytes.h"

namespace sluice {

class Secret {
 public:
  Secret() = default;
  explicit Secret(size_t size) : data_(size ? std::make_unique<uint8_t[]>(size) : nullptr), size_(size) {}
  explicit Secret(Bytes from) : Secret(from.size()) {
    if (size_) std::memcpy(data_.get(), from.data(), size_);
  }
  Secret(Secret&& other) noexcept : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      clear();
      data_ = std::move(other.data_);
      size_ = std::exchange(other.size_, 0);
    }
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { clear(); }

  void clear() {
    wipe(data_.get(), size_);
    data_.reset();
    size_ = 0;
  }

  uint8_t* data() { return data_.get(); }
  const uint8_t* data() const { return data_.get(); }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Bytes view() const { return {data_.get(), size_}; }
  MutableBytes view() { return {data_.get(), size_}; }

 private:
  std::unique_ptr<uint8_t[]> data_;
  size_t size_ = 0;
};

}  // namespace sluice
