// The table lives as long as the process: other libraries' threads may still be in it when ours is unloaded.
#include "drivers/engine/imb_functions.h"

#include <new>

namespace sluice {
namespace {

// Programs encrypt in their exit handlers too, when what belonged to the thread is gone.
thread_local bool t_ended = false;
struct OwnManager {
  IMB_MGR* manager = nullptr;
  ~OwnManager() {
    t_ended = true;
    delete manager;
  }
};

const IMB_MGR* make_functions() {
  IMB_MGR* manager = alloc_mb_mgr(0);
  if (manager == nullptr) return nullptr;
  init_mb_mgr_auto(manager, nullptr);
  // The library sets these only on a CPU that has what they need.
  if (manager->used_arch >= IMB_ARCH_SSE && manager->gcm128_enc != nullptr) return manager;
  free_mb_mgr(manager);
  return nullptr;
}

}  // namespace

const IMB_MGR* imb_functions() {
  static const IMB_MGR* const functions = make_functions();
  return functions;
}

IMB_MGR* imb_of_thread() {
  if (t_ended) return nullptr;
  thread_local OwnManager own;
  if (own.manager == nullptr) {
    const IMB_MGR* functions = imb_functions();
    if (functions != nullptr) own.manager = new (std::nothrow) IMB_MGR(*functions);
  }
  return own.manager;
}

}  // namespace sluice
