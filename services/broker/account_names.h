// AccountNames: users' and groups' names by number, remembered, since a directory has the same few again and again.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

namespace sluice {

class AccountNames {
 public:
  // Empty where there is none.
  const std::string& user(uint32_t uid);
  const std::string& group(uint32_t gid);

 private:
  std::unordered_map<uint32_t, std::string> users_, groups_;
};

// The home folder of an account; empty where there is none.
std::string home_of_account(const std::string& user);

}  // namespace sluice
