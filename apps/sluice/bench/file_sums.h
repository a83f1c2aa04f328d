// What a file or a tree of files holds, as one SHA-256 sum; and files to move.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace sluice::bench {

// Of a tree: names and contents in the order of the names. Whatever is no file or folder is an error.
ResultOrText<std::string> sum_of(const std::string& path);
// Bytes that nothing can compress.
ResultOrText<void> make_file(const std::string& path, uint64_t bytes);
// A folder of so many files of that size.
ResultOrText<void> make_tree(const std::string& path, uint64_t files, uint64_t bytes);

}  // namespace sluice::bench
