// Fuzz target: known_hosts.
#include "tests/fuzz/exercise_keys.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::exercise_known_hosts({data, size});
  return 0;
}
