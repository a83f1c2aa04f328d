// What a server offers, asked once and without a login, and what of a mix of algorithms that leaves.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "control/transport/kexinit.h"

namespace sluice::bench {

// From its KEXINIT. The connection is closed right behind it.
ResultOrText<KexInit> ask_offer(const std::string& host, uint16_t port);

// Of a mix, with the names of what the server lacks.
struct Narrowed {
  std::vector<std::string> kexes;
  std::vector<std::pair<std::string, std::string>> suites;
  std::vector<std::string> lacking;
};
Narrowed narrow(const KexInit& offer, const std::vector<std::string>& kexes,
                const std::vector<std::pair<std::string, std::string>>& suites);

}  // namespace sluice::bench
