// SecretWriter: RFC 4251 fields written into memory that is wiped and that never moves while it grows.
#pragma once

#include "base/check.h"
#include "base/secret.h"

namespace sluice {

class SecretWriter {
 public:
  // capacity bounds everything that will be written; to pass it is our own mistake.
  explicit SecretWriter(size_t capacity) : buffer_(capacity) {}

  SecretWriter& raw(Bytes v) {
    SLUICE_CHECK(v.size() <= buffer_.size() - size_);
    if (!v.empty()) std::memcpy(buffer_.data() + size_, v.data(), v.size());
    size_ += v.size();
    return *this;
  }
  SecretWriter& u8(uint8_t v) { return raw({&v, 1}); }
  SecretWriter& u32(uint32_t v) {
    uint8_t be[4];
    store_be32(be, v);
    return raw(be);
  }
  SecretWriter& string(Bytes v) { return u32(static_cast<uint32_t>(v.size())).raw(v); }
  SecretWriter& string(std::string_view v) { return string(bytes_of(v)); }
  SecretWriter& mpint(Bytes magnitude) {
    while (!magnitude.empty() && magnitude[0] == 0) magnitude = magnitude.subspan(1);
    const bool pad = !magnitude.empty() && (magnitude[0] & 0x80) != 0;
    u32(static_cast<uint32_t>(magnitude.size() + (pad ? 1 : 0)));
    if (pad) u8(0);
    return raw(magnitude);
  }

  size_t size() const { return size_; }
  Secret take() const { return Secret(Bytes(buffer_.data(), size_)); }

 private:
  Secret buffer_;
  size_t size_ = 0;
};

}  // namespace sluice
