// Fuzz target: private key files.
#include "tests/fuzz/exercise_keys.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::exercise_key_file({data, size});
  return 0;
}
