// Runs a fuzz target once over each of its seed files, so that every test run covers them, in every build.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "base/bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  size_t n = 0;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    std::ifstream file(entry.path(), std::ios::binary);
    std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(file), {}};
    // Its own allocation of just the right size, so that AddressSanitizer sees one byte too far.
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    for (const size_t cut : {bytes.size() / 2, bytes.size() - std::min<size_t>(1, bytes.size())}) {
      std::vector<uint8_t> shorter(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(cut));
      LLVMFuzzerTestOneInput(shorter.data(), shorter.size());
    }
    ++n;
  }
  std::printf("%zu seeds\n", n);
  return n > 0 ? 0 : 1;
}
