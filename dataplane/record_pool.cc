// Two free lists over one mapping.
#include "dataplane/record_pool.h"

#include <sys/mman.h>

#include "base/check.h"

namespace sluice {
namespace {

constexpr size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }
// Length field, padding length, payload, most padding at 16-byte alignment, tag.
constexpr size_t kNormalRecord = 4 + 1 + kMaxPayload + 4 + 16 + kMaxTagBytes;
constexpr size_t kLargeRecord = 4 + kMaxRecordLength + 4 + kMaxTagBytes;
// An odd number of cache lines apart, so that blocks do not all fall into the same cache sets.
constexpr size_t kNormalStride = round_up(kBlockHeadroom + kNormalRecord, 4096) + 64;
constexpr size_t kLargeStride = round_up(kBlockHeadroom + kLargeRecord, 4096) + 64;

}  // namespace

RecordPoolSize RecordPoolSize::within(size_t bytes) {
  RecordPoolSize size;
  const size_t large = size.large * kLargeStride;
  SLUICE_CHECK(bytes >= large + kNormalStride);
  size.normal = (bytes - large) / kNormalStride;
  return size;
}

RecordPool::RecordPool(const RecordPoolSize& size) {
  size_ = size.normal * kNormalStride + size.large * kLargeStride;
  void* mapped = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  SLUICE_CHECK(mapped != MAP_FAILED);
  memory_ = static_cast<uint8_t*>(mapped);
  uint8_t* at = memory_;
  const std::array<std::pair<size_t, size_t>, 2> shapes{{{size.normal, kNormalStride}, {size.large, kLargeStride}}};
  for (size_t c = 0; c < classes_.size(); ++c) {
    const auto [count, stride] = shapes[c];
    classes_[c] = {stride, at, at + count * stride, {}};
    classes_[c].free.reserve(count);
    for (size_t i = count; i > 0; --i) classes_[c].free.push_back(at + (i - 1) * stride + kBlockHeadroom);
    at += count * stride;
  }
}

RecordPool::~RecordPool() { ::munmap(memory_, size_); }

RecordPool::Class& RecordPool::class_of(size_t record_bytes) { return classes_[record_bytes <= kNormalRecord ? 0 : 1]; }
const RecordPool::Class& RecordPool::class_of(size_t record_bytes) const {
  return classes_[record_bytes <= kNormalRecord ? 0 : 1];
}

uint8_t* RecordPool::take(size_t record_bytes) {
  SLUICE_CHECK(record_bytes <= kLargeRecord);
  auto& free = class_of(record_bytes).free;
  if (free.empty()) return nullptr;
  uint8_t* record = free.back();
  free.pop_back();
  return record;
}

void RecordPool::give(uint8_t* record) {
  for (Class& c : classes_) {
    if (record >= c.begin && record < c.end) return c.free.push_back(record);
  }
  SLUICE_CHECK(false && "a block of another pool");
}

}  // namespace sluice
