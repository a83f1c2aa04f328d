// One wake-up for all that gathers until the owner looks.
#include "control/completions.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "base/check.h"

namespace sluice {

Completions::Completions() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) { SLUICE_CHECK(descriptor_ >= 0); }

Completions::~Completions() { ::close(descriptor_); }

void Completions::post(Job job) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(job));
  }
  const uint64_t one = 1;
  if (first) SLUICE_CHECK(::write(descriptor_, &one, sizeof one) == sizeof one);
}

size_t Completions::run() {
  uint64_t count;
  (void)!::read(descriptor_, &count, sizeof count);
  std::vector<Job> jobs;
  {
    const std::lock_guard lock(mutex_);
    jobs.swap(posted_);
  }
  for (Job& job : jobs) job();
  return jobs.size();
}

}  // namespace sluice
