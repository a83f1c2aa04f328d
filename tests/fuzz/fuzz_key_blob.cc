// Fuzz target: public key blobs, their texts, and signatures.
#include "tests/fuzz/exercise_keys.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::exercise_key_blob({data, size});
  return 0;
}
