// Digests of key blobs in their several dresses.
#include "control/keys/fingerprint.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "control/keys/base64.h"
#include "control/keys/libcrypto.h"
#include "control/keys/words.h"

namespace sluice {
namespace {

constexpr size_t kMd5Bytes = 16;
// The board of the picture and what a field looks like after n visits; the last two mark start and end.
constexpr int kBoardWidth = 17;
constexpr int kBoardHeight = 9;
constexpr std::string_view kVisits = " .o+=*BOX@%&#/^SE";

std::array<uint8_t, SHA256_DIGEST_LENGTH> sha256_of(Bytes blob) {
  std::array<uint8_t, SHA256_DIGEST_LENGTH> hash;
  SHA256(blob.data(), blob.size(), hash.data());
  return hash;
}

std::array<uint8_t, kMd5Bytes> md5_of(Bytes blob) {
  std::array<uint8_t, kMd5Bytes> hash;
  SLUICE_CHECK(EVP_Digest(blob.data(), blob.size(), hash.data(), nullptr, EVP_md5(), nullptr) == 1);
  return hash;
}

std::string hex_of(Bytes bytes, std::string_view digits, std::string_view between) {
  std::string text;
  for (const uint8_t byte : bytes) {
    if (!text.empty()) text += between;
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

std::string frame_line(std::string_view title) {
  const size_t width = static_cast<size_t>(kBoardWidth);
  const size_t dashes = width - std::min(title.size() + 2, width);
  std::string line = "+";
  line.append(dashes / 2, '-').append("[").append(title).append("]").append(dashes - dashes / 2, '-');
  return line.append("+\n");
}

}  // namespace

std::string sha256_fingerprint(const PublicKey& key) {
  std::string text = base64_encode(sha256_of(key.blob()));
  text.erase(text.find_last_not_of('=') + 1);
  return text.insert(0, "SHA256:");
}

std::string md5_fingerprint(const PublicKey& key) {
  return hex_of(md5_of(key.blob()), "0123456789abcdef", ":").insert(0, "MD5:");
}

std::string key_hash(const PublicKey& key) { return hex_of(md5_of(key.blob()), "0123456789ABCDEF", ""); }

bool matches_key_hash(const PublicKey& key, std::string_view hex) {
  std::string digits;
  for (const char c : hex) {
    if (c == ':') continue;
    digits += c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return digits == key_hash(key);
}

std::string describe_key(const PublicKey& key, std::string_view comment) {
  std::string text = std::to_string(key.bits()) + " " + sha256_fingerprint(key) + " ";
  text += comment.empty() ? "no comment" : printable(comment);
  return text + " (" + std::string(row_of(key.type()).family) + ")";
}

std::string randomart(const PublicKey& key) {
  std::array<std::array<uint8_t, kBoardWidth>, kBoardHeight> visits{};
  int x = kBoardWidth / 2;
  int y = kBoardHeight / 2;
  // Each pair of bits, lowest first, is one diagonal step: bit 0 is right or left, bit 1 down or up; walls stop it.
  for (const uint8_t byte : sha256_of(key.blob())) {
    for (int shift = 0; shift < 8; shift += 2) {
      x = std::clamp(x + (byte >> shift & 1 ? 1 : -1), 0, kBoardWidth - 1);
      y = std::clamp(y + (byte >> shift & 2 ? 1 : -1), 0, kBoardHeight - 1);
      uint8_t& field = visits[static_cast<size_t>(y)][static_cast<size_t>(x)];
      if (field < kVisits.size() - 3) ++field;
    }
  }
  visits[kBoardHeight / 2][kBoardWidth / 2] = kVisits.size() - 2;
  visits[static_cast<size_t>(y)][static_cast<size_t>(x)] = kVisits.size() - 1;

  std::string picture = frame_line(std::string(row_of(key.type()).family) + " " + std::to_string(key.bits()));
  for (const auto& row : visits) {
    picture += '|';
    for (const uint8_t count : row) picture += kVisits[count];
    picture += "|\n";
  }
  return picture + frame_line("SHA256");
}

}  // namespace sluice
