// Password hashes of crypt(3): made, and compared with what somebody typed.
#pragma once

#include <string>

#include "base/secret.h"

namespace sluice {

// Whether the password gives the hash. A hash that no password can give ("!", "*", empty) costs the work of the fake
// and is never met.
bool matches_hashed_secret(const Secret& password, const std::string& hashed, const std::string& fake);
// With the library's preferred method. Empty when the library fails.
std::string hash_secret(const Secret& password);
// A hash of a random secret with the method and cost of the model, or the preferred one: what unknown users are
// measured against.
std::string fake_hash_like(const std::string& model);
// What of a hash says how long computing it takes: "$6$rounds=9000$", "$y$j9T$"; the salt follows. Empty: not known.
std::string method_and_cost(const std::string& hashed);
bool usable_hash(const std::string& hashed);

}  // namespace sluice
