// The form of IOS XR's output for key pairs.
#include "control/management/key_report.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>

#include "control/keys/fingerprint.h"

namespace sluice::ctl {
namespace {

constexpr size_t kOctetsALine = 32;
constexpr size_t kOctetsAGroup = 4;

std::string type_of(const PublicKey& key) {
  const KeyTypeRow& row = row_of(key.type());
  if (!row.curve) return std::string(row.family) + (key.type() == KeyType::rsa ? " General purpose" : "");
  std::string curve(row.curve->name);
  curve[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(curve[0])));
  return "ECDSA General Curve " + curve;
}

std::string time_text(std::time_t when, const char* format) {
  std::array<char, 64> text{};
  std::tm parts{};
  ::gmtime_r(&when, &parts);
  return {text.data(), std::strftime(text.data(), text.size(), format, &parts)};
}

std::string hex_lines(Bytes octets) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string text;
  for (size_t i = 0; i < octets.size(); ++i) {
    if (i % kOctetsALine == 0)
      text.append(i == 0 ? " " : "\n ");
    else if (i % kOctetsAGroup == 0)
      text.push_back(' ');
    text.push_back(kDigits[octets[i] >> 4]);
    text.push_back(kDigits[octets[i] & 15]);
  }
  return text;
}

}  // namespace

std::string key_report(const HostKeyInfo& info) {
  const bool curve = row_of(info.key.type()).curve != nullptr;
  std::string text = "Key label: " + info.label + "\n";
  text.append("Type      : ").append(type_of(info.key)).append("\n");
  text.append(curve ? "Degree    : " : "Size      : ").append(std::to_string(info.key.bits())).append("\n");
  text.append("Created   : ").append(time_text(info.created, "%H:%M:%S UTC %a %b %d %Y")).append("\n");
  text.append("Data      :\n").append(hex_lines(info.key.material())).append("\n");
  return text;
}

// Labels and type names have no character that JSON would escape.
std::string key_report_json(std::span<const HostKeyInfo> keys) {
  std::string text = "[";
  for (const HostKeyInfo& info : keys) {
    text.append(text.size() > 1 ? ",\n " : "").append("{\"label\": \"").append(info.label);
    text.append("\", \"type\": \"").append(row_of(info.key.type()).store_name);
    text.append("\", \"bits\": ").append(std::to_string(info.key.bits()));
    text.append(", \"created\": \"").append(time_text(info.created, "%Y-%m-%dT%H:%M:%SZ"));
    text.append("\", \"fingerprint\": \"").append(sha256_fingerprint(info.key)).append("\"}");
  }
  return text.append("]\n");
}

}  // namespace sluice::ctl
