// UserListener: sockets that wait for connections in the user's name; they stop, and their paths go, with it.
#pragma once

#include <sys/types.h>

#include "services/broker/file_operations.h"
#include "services/broker/link_policy.h"

namespace sluice {

class UserListener {
 public:
  // RFC 4254 section 7.1's addresses. "localhost" may be two sockets with one port.
  static Outcome<UserListener> tcp(const std::string& address, uint32_t port, GatewayPorts gateway);
  static Outcome<UserListener> unix_path(const std::string& path, uint32_t mask, bool replace);
  // In a folder of its own.
  static Outcome<UserListener> agent();

  ~UserListener();
  UserListener(UserListener&&) noexcept = default;
  UserListener& operator=(UserListener&&) = delete;

  uint32_t port() const { return port_; }
  const std::string& path() const { return path_; }
  // Second descriptors, for who accepts; non-blocking. Empty: none to be had.
  std::vector<UniqueFd> share() const;

 private:
  UserListener() = default;
  Outcome<void> add_tcp(int family, const char* address);
  void remove_path();

  std::vector<UniqueFd> sockets_;
  uint32_t port_ = 0;
  std::string path_;
  std::string folder_;  // made for the path
  // What is at the path must still be ours when we remove it.
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace sluice
