// crypt_r with its 32 KiB of state on the heap and wiped, so that threads can hash side by side.
#include "control/auth/backends/hashed_secret.h"

#include <crypt.h>

#include <memory>

#include "base/random.h"

namespace sluice {
namespace {

// Nothing for a setting that the library does not take; crypt(3) says so with a '*' in front.
std::string hash_with(const Secret& password, const std::string& setting) {
  const Bytes typed = password.view();
  if (text_of(typed).find('\0') != std::string_view::npos) return {};
  Secret phrase(password.size() + 1);
  if (!typed.empty()) std::memcpy(phrase.data(), typed.data(), typed.size());
  phrase.data()[typed.size()] = 0;
  auto state = std::make_unique<crypt_data>();
  std::memset(state.get(), 0, sizeof(crypt_data));
  const char* hashed = ::crypt_r(reinterpret_cast<const char*>(phrase.data()), setting.c_str(), state.get());
  std::string result = hashed && hashed[0] != '*' ? hashed : "";
  wipe(state.get(), sizeof(crypt_data));
  return result;
}

}  // namespace

bool usable_hash(const std::string& hashed) { return hashed.size() > 2 && hashed[0] != '!' && hashed[0] != '*'; }

bool matches_hashed_secret(const Secret& password, const std::string& hashed, const std::string& fake) {
  const bool usable = usable_hash(hashed);
  const std::string& setting = usable ? hashed : fake;
  const std::string computed = hash_with(password, setting);
  const bool same = !computed.empty() && computed.size() == setting.size() &&
                    equal_in_constant_time(bytes_of(computed).data(), bytes_of(setting).data(), computed.size());
  return same && usable;
}

std::string hash_secret(const Secret& password) {
  char setting[CRYPT_GENSALT_OUTPUT_SIZE] = {};
  if (!::crypt_gensalt_rn(nullptr, 0, nullptr, 0, setting, sizeof setting)) return {};
  return hash_with(password, setting);
}

std::string method_and_cost(const std::string& hashed) {
  if (hashed.empty() || hashed[0] != '$') return {};
  const size_t method = hashed.find('$', 1);
  if (method == std::string::npos) return {};
  const size_t cost = hashed.find('$', method + 1);
  const std::string name = hashed.substr(1, method - 1);
  const bool has_cost = name == "y" || name == "gy" || name == "2a" || name == "2b" || name == "2y" ||
                        hashed.compare(method + 1, 7, "rounds=") == 0;
  return hashed.substr(0, has_cost && cost != std::string::npos ? cost + 1 : method + 1);
}

std::string fake_hash_like(const std::string& model) {
  Secret random(16);
  fill_random(random.view());
  // No zero bytes: to crypt(3) a password ends there.
  for (uint8_t& byte : random.view()) byte = static_cast<uint8_t>(byte | 1);
  std::string fake = usable_hash(model) ? hash_with(random, model) : std::string();
  return fake.empty() ? hash_secret(random) : fake;
}

}  // namespace sluice
