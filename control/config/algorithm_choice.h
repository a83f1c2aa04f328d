// Which algorithms a configuration amounts to, in what order: lists, switches, policy and platform together.
#pragma once

#include <string>
#include <vector>

#include "control/transport/transport_machine.h"

namespace sluice {

struct ServerConfig;

struct ChosenAlgorithms {
  NameList kex;
  NameList host_keys;
  NameList ciphers;
  NameList macs;
  bool sha1_host_keys = false;  // ssh-rsa or ssh-dss among them
};

ChosenAlgorithms choose_algorithms(const ServerConfig& config);
// Host key algorithms that no key of ours can have are the caller's to leave out.
TransportConfig server_transport_config(const ServerConfig& config);

}  // namespace sluice
