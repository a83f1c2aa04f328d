// Holding ops back and running a random few of them through the inner driver at each poll.
#include "drivers/delay_driver.h"

#include <algorithm>

namespace sluice {

DelayDriver::DelayDriver(std::unique_ptr<CryptoDriver> inner, const DelayOptions& options)
    : inner_(std::move(inner)),
      options_(options),
      name_("delay:" + std::string(inner_->name())),
      random_(options.seed) {
  held_.reserve(options.depth);
}

size_t DelayDriver::submit(std::span<CryptoOp* const> ops) {
  const size_t room = options_.depth - held_.size();
  const size_t most = std::min(ops.size(), room);
  const auto taken = static_cast<size_t>(random_.below(most + 1));
  held_.insert(held_.end(), ops.begin(), ops.begin() + static_cast<ptrdiff_t>(taken));
  return taken;
}

size_t DelayDriver::poll(std::span<CryptoOp*> done) {
  size_t n = 0;
  // A random order first, then each op's chance.
  for (size_t i = held_.size(); i > 1; --i) std::swap(held_[i - 1], held_[random_.below(i)]);
  while (n < done.size() && !held_.empty() && random_.below(100) < options_.finish_per_cent) {
    CryptoOp* op = held_.back();
    held_.pop_back();
    while (inner_->submit({&op, 1}) == 0) {}
    while (inner_->poll(done.subspan(n, 1)) == 0) {}
    ++n;
  }
  return n;
}

}  // namespace sluice
