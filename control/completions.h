// Completions: the way back from threads that do slow work to the one that waits for it.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

namespace sluice {

using Job = std::function<void()>;

// Posted by any thread, run by the one that owns what the jobs touch. Shared with jobs where one may end late, so that
// it still has where to post.
class Completions {
 public:
  Completions();
  ~Completions();
  Completions(const Completions&) = delete;
  Completions& operator=(const Completions&) = delete;

  void post(Job job);
  // Readable when there is something to run.
  int descriptor() const { return descriptor_; }
  // The number of jobs run.
  size_t run();

 private:
  int descriptor_;
  std::mutex mutex_;
  std::vector<Job> posted_;
};

}  // namespace sluice
