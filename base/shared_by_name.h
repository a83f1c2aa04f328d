// SharedByName: one object for all who have the same name, as long as one of them holds it. Belongs to one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <unordered_map>

namespace sluice {

template <class T>
class SharedByName {
 public:
  // Made by `make` where nobody holds it.
  template <class Make>
  std::shared_ptr<T> of(const std::string& name, Make make) {
    // Names that nobody has any more are forgotten when as many have come again.
    if (known_.size() >= sweep_at_) {
      std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
      sweep_at_ = std::max<size_t>(64, 2 * known_.size());
    }
    std::weak_ptr<T>& known = known_[name];
    std::shared_ptr<T> held = known.lock();
    if (!held) known = held = make();
    return held;
  }
  size_t size() const { return known_.size(); }

 private:
  std::unordered_map<std::string, std::weak_ptr<T>> known_;
  size_t sweep_at_ = 64;
};

}  // namespace sluice
