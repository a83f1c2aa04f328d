// Moduli: the safe primes of a moduli(5) file, from which a server picks one for a group exchange.
#pragma once

#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace sluice {

class Moduli {
 public:
  struct Row {
    unsigned bits;
    std::vector<uint8_t> modulus;
    std::vector<uint8_t> generator;
  };

  // Lines that are comments, malformed or not of tested safe primes are passed over, as sshd does.
  static Moduli parse(std::string_view text);

  size_t size() const { return rows_.size(); }
  // A random one of the smallest size that has at least `preferred` bits, or else of the largest below; null where none
  // lies between min and max.
  const Row* choose(unsigned min, unsigned preferred, unsigned max) const;

 private:
  std::vector<Row> rows_;
};

}  // namespace sluice
