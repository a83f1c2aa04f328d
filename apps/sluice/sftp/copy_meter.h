// CopyMeter: who is told how a file's copy goes; programs show it as they like.
#pragma once

#include <cstdint>
#include <string>

namespace sluice {

class CopyMeter {
 public:
  virtual ~CopyMeter() = default;
  // total: 0 where it is not known. done: was there before (resumed).
  virtual void begin(const std::string& name, uint64_t total, uint64_t done) = 0;
  virtual void moved(uint64_t done) = 0;
  virtual void end(bool whole) = 0;
};

}  // namespace sluice
