// Software does what an engine that is not there would have done.
#include "control/engine_work.h"

#include "base/log.h"
#include "control/engine/engine_random.h"

namespace sluice {
namespace {

// What an engine's device computes for at once: a stack of 32 KiB each.
constexpr size_t kPausedPerThread = 64;

}  // namespace

std::unique_ptr<KeyEngine> use_key_engine(const std::string& spec) {
  if (spec.empty()) return nullptr;
  auto engine = KeyEngine::open(spec);
  if (!engine) {
    log_line(LogLevel::error, engine.error() + "; software does its work");
    return nullptr;
  }
  KeyEngine::use(engine->get());
  use_engine_random(**engine);
  return std::move(*engine);
}

WorkPoolLimits pool_limits(size_t threads, KeyEngine* engine) {
  WorkPoolLimits limits{.threads = threads};
  if (!engine) return limits;
  limits.paused_per_thread = kPausedPerThread;
  limits.on_stuck = [engine] { engine->give_up("it does not answer"); };
  return limits;
}

std::string engine_counts(const KeyEngine& engine) {
  std::string text = "engine " + engine.name();
  text.append(": operations ").append(std::to_string(engine.operations()));
  text.append(", failures ").append(std::to_string(engine.failures()));
  text.append(", lacking ").append(std::to_string(engine.lacking()));
  return text;
}

}  // namespace sluice
