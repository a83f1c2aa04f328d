// PidFile: the server's process number in a file, there as long as it serves.
#pragma once

#include <string>

#include "base/result.h"

namespace sluice {

class PidFile {
 public:
  PidFile() = default;
  ~PidFile();
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;

  // In place of what is there, which is no link of somebody's making.
  ResultOrText<void> write(const std::string& path);

 private:
  std::string path_;
};

}  // namespace sluice
