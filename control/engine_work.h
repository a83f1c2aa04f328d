// An OpenSSL engine in use by a whole process, and the pool whose jobs wait for its device.
#pragma once

#include <memory>
#include <string>

#include "control/engine/key_engine.h"
#include "control/work_pool.h"

namespace sluice {

// The engine of that EngineSpec, in use for key agreements, signatures and random bytes of this process. Null, with a
// line in the log, where it cannot be had, and quietly where none is named.
std::unique_ptr<KeyEngine> use_key_engine(const std::string& spec);
// With an engine, jobs may pause while its device computes; one that does not answer is given up.
WorkPoolLimits pool_limits(size_t threads, KeyEngine* engine);
// "engine NAME: operations 12, failures 0, lacking 3".
std::string engine_counts(const KeyEngine& engine);

}  // namespace sluice
