// WriteGather: adjoining data of WRITEs of one file, where it was received, until one call writes it all.
#pragma once

#include <array>

#include "services/sftp/open_files.h"

namespace sluice {

class WriteGather {
 public:
  bool empty() const { return file_ == nullptr; }
  // Whether data for this place can be added now, or what is gathered must be written first.
  bool adjoins(const SftpFile& file, uint64_t offset) const {
    return file_ == nullptr || (file_ == &file && offset_ + bytes_ == offset && count_ < pieces_.size());
  }
  void begin(SftpFile& file, uint64_t offset) {
    if (file_ == nullptr) file_ = &file, offset_ = offset;
  }
  void add(MutableBytes data) {
    pieces_[count_++] = {data.data(), data.size()};
    bytes_ += data.size();
  }
  // A request of this length ends here.
  void mark(uint32_t id, uint32_t length) { marks_.push_back({id, length, bytes_}); }

  SftpFile& file() { return *file_; }
  uint64_t offset() const { return offset_; }
  size_t bytes() const { return bytes_; }
  std::span<const iovec> pieces() const { return std::span(pieces_).first(count_); }
  std::vector<WriteMark>& marks() { return marks_; }
  void clear() {
    file_ = nullptr;
    count_ = bytes_ = 0;
    marks_.clear();
  }

 private:
  SftpFile* file_ = nullptr;
  uint64_t offset_ = 0;
  size_t count_ = 0;
  size_t bytes_ = 0;
  std::array<iovec, 64> pieces_;
  std::vector<WriteMark> marks_;
};

}  // namespace sluice
