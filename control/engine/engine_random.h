// Random bytes of libcrypto, and so of all keys that it makes, from the engine and the system together.
#pragma once

#include "control/engine/key_engine.h"

namespace sluice {

// True when the engine gives any. From now on each byte is the engine's xor the system's, so that neither alone decides
// it; what the engine fails at the system gives. Until the engine is dropped.
bool use_engine_random(KeyEngine& engine);
void stop_engine_random();

}  // namespace sluice
