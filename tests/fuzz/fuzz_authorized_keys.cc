// Fuzz target: authorized_keys.
#include "tests/fuzz/exercise_keys.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::exercise_authorized_keys({data, size});
  return 0;
}
