// Reading and writing the data types of RFC 4251 section 5 with every bound checked.
//
// A reader that was asked for more than there is turns bad and answers zeros and empty views from then on, so a parser
// reads all its fields and asks ok() once.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace sluice {

class WireReader {
 public:
  explicit WireReader(Bytes from) : rest_(from) {}

  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }
  Bytes rest() const { return rest_; }

  uint8_t u8() { return take(1) ? last_[0] : uint8_t{0}; }
  bool boolean() { return u8() != 0; }
  uint32_t u32() { return take(4) ? load_be32(last_.data()) : 0; }
  uint64_t u64() { return take(8) ? load_be64(last_.data()) : 0; }
  Bytes raw(size_t n) { return take(n) ? last_ : Bytes{}; }
  Bytes string() { return raw(u32()); }
  std::string_view text() { return text_of(string()); }
  // The magnitude of a non-negative mpint without leading zeros. Negative and padded encodings turn the reader bad.
  Bytes mpint();

 private:
  bool take(size_t n) {
    if (!ok_ || n > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return false;
    }
    last_ = rest_.first(n);
    rest_ = rest_.subspan(n);
    return true;
  }

  Bytes rest_;
  Bytes last_;
  bool ok_ = true;
};

class WireWriter {
 public:
  // Most messages fit; a first allocation of one byte would be wasted.
  WireWriter() { out_.reserve(64); }

  WireWriter& u8(uint8_t v) { return out_.push_back(v), *this; }
  WireWriter& boolean(bool v) { return u8(v ? 1 : 0); }
  WireWriter& u32(uint32_t v);
  WireWriter& u64(uint64_t v);
  WireWriter& raw(Bytes v) { return out_.insert(out_.end(), v.begin(), v.end()), *this; }
  WireWriter& string(Bytes v) { return u32(static_cast<uint32_t>(v.size())), raw(v); }
  WireWriter& string(std::string_view v) { return string(bytes_of(v)); }
  // From a big-endian magnitude: leading zeros dropped, one put back where the top bit is set.
  WireWriter& mpint(Bytes magnitude);

  Bytes view() const { return out_; }
  size_t size() const { return out_.size(); }
  std::vector<uint8_t> take() { return std::move(out_); }

 private:
  std::vector<uint8_t> out_;
};

}  // namespace sluice
