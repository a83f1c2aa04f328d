// What the key tests ask other programs for: a folder of their own, ssh-keygen and openssl as outside authority.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"
#include "control/keys/private_key_file.h"

namespace sluice::test {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    char name[] = "/tmp/sluice-keys-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Outcome {
  int status = -1;
  std::string output;
};

// Through the shell, both outputs together.
inline Outcome run(const std::string& command) {
  Outcome outcome;
  std::FILE* pipe = ::popen(("exec 2>&1 </dev/null; " + command).c_str(), "r");
  if (!pipe) return outcome;
  char buffer[4096];
  for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) outcome.output.append(buffer, n);
  const int status = ::pclose(pipe);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

inline std::string trimmed_end(std::string text) {
  text.erase(text.find_last_not_of(" \r\n") + 1);
  return text;
}

inline std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_text(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline PassphraseSource phrase(std::string text) {
  return [text] { return std::optional<Secret>(Secret(bytes_of(text))); };
}

inline std::optional<Secret> no_phrase() { return std::nullopt; }

inline std::vector<uint8_t> from_hex(std::string_view hex) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  return bytes;
}

// Every proper prefix, then every byte changed in three ways, within bounds that keep a test short.
inline void for_each_damage(Bytes good, size_t step, const std::function<void(Bytes)>& use) {
  for (size_t n = 0; n < good.size(); n += step) {
    // A copy of exactly this size, so that the sanitizer sees a read behind it.
    const std::vector<uint8_t> cut(good.begin(), good.begin() + static_cast<ptrdiff_t>(n));
    use(cut);
  }
  std::vector<uint8_t> bent(good.begin(), good.end());
  for (size_t at = 0; at < bent.size(); at += step) {
    for (const uint8_t change : {uint8_t{0x01}, uint8_t{0x80}, uint8_t{0xff}}) {
      bent[at] = static_cast<uint8_t>(bent[at] ^ change);
      use(bent);
      bent[at] = static_cast<uint8_t>(bent[at] ^ change);
    }
  }
}

}  // namespace sluice::test
