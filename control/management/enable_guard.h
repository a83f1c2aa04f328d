// EnableGuard: who may try the secret of `enable` now. Whoever fails is made to wait, over all his sessions together.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace sluice {

class EnableGuard {
 public:
  // A try, counted before it is judged: those made at the same time count too. Otherwise the seconds to wait.
  unsigned begin(const std::string& name, uint64_t now_ms);
  void succeeded(const std::string& name) { tries_.erase(name); }

 private:
  struct Tries {
    unsigned failed = 0;
    uint64_t next_ms = 0;  // no earlier
  };
  std::map<std::string, Tries> tries_;
};

}  // namespace sluice
