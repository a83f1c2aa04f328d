// Files that fit into one request, many at once: each one's calls follow each other in the worker, and the caller's
// thread waits for all of them together.
#pragma once

#include "services/copy/copy_item.h"

namespace sluice {

// What is read into memory, and written by one WRITE.
inline constexpr uint64_t kMostSmallFile = 32 * 1024;
inline constexpr size_t kMostSmallFiles = 32;

// As the server's handles allow, for so many threads.
size_t small_files_at_once(const CopyPlan& plan, size_t threads);
bool is_small(const CopyPlan& plan, const CopyItem& item);
// One end is this machine. Tells the listener of each.
void copy_small_files(const CopyPlan& plan, std::vector<CopyItem> items);

}  // namespace sluice
