// TempFolder: an empty folder that is gone with everything in it at the end of a test.
#pragma once

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "base/check.h"

namespace sluice::test {

class TempFolder {
 public:
  explicit TempFolder(const std::string& parent = "/tmp") : path_(parent + "/sluice-test-XXXXXX") {
    SLUICE_CHECK(::mkdtemp(path_.data()) != nullptr);
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  void write(const std::string& name, const std::string& content) const {
    std::ofstream(*this / name, std::ios::binary) << content;
  }
  std::string read(const std::string& name) const {
    std::ifstream file(*this / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  bool has(const std::string& name) const {
    struct stat facts;
    return ::lstat((*this / name).c_str(), &facts) == 0;
  }

 private:
  std::string path_;
};

}  // namespace sluice::test
