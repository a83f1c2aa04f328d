// TcpIndex: from endpoints' hashes to places in pools. Open addressing, fixed size, at most half full.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice {

class TcpIndex {
 public:
  enum class Kind : uint8_t { connection, half_open, time_wait };
  struct Key {
    Kind kind = Kind::connection;
    uint32_t index = 0;
    bool operator==(const Key&) const = default;
  };

  explicit TcpIndex(size_t most) : entries_(std::bit_ceil(most * 2 + 2)) {}

  // Calls is_it(key) for those of that hash until it says yes.
  template <class IsIt>
  bool find(uint32_t hash, Key& out, IsIt is_it) const {
    for (size_t i = home(hash); entries_[i].used; i = next(i)) {
      if (entries_[i].hash == hash && is_it(entries_[i].key)) return out = entries_[i].key, true;
    }
    return false;
  }
  void add(uint32_t hash, Key key) {
    size_t i = home(hash);
    while (entries_[i].used) i = next(i);
    entries_[i] = {hash, key, true};
  }
  void remove(uint32_t hash, Key key) {
    size_t i = home(hash);
    while (entries_[i].used && !(entries_[i].hash == hash && entries_[i].key == key)) i = next(i);
    if (!entries_[i].used) return;
    // What follows moves up, so that no search ends too early.
    for (size_t j = next(i); entries_[j].used; j = next(j)) {
      const size_t from_home = (j - home(entries_[j].hash)) & mask();
      const size_t from_hole = (j - i) & mask();
      if (from_home < from_hole) continue;
      entries_[i] = entries_[j];
      i = j;
    }
    entries_[i].used = false;
  }

 private:
  struct Entry {
    uint32_t hash = 0;
    Key key;
    bool used = false;
  };
  size_t mask() const { return entries_.size() - 1; }
  size_t home(uint32_t hash) const { return hash & mask(); }
  size_t next(size_t i) const { return (i + 1) & mask(); }

  std::vector<Entry> entries_;
};

}  // namespace sluice
