// Reading lines from a stranger.
#include "control/transport/identification.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"

namespace sluice {
namespace {

constexpr std::string_view kPrefix = "SSH-";

bool printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace

IdentificationReader::Answer IdentificationReader::take(Bytes received) {
  size_t consumed = 0;
  for (;;) {
    const Bytes rest = received.subspan(consumed);
    const auto end = std::find(rest.begin(), rest.end(), uint8_t{'\n'});
    const auto length = static_cast<size_t>(end - rest.begin());
    const bool is_ssh = text_of(rest.first(std::min(kPrefix.size(), rest.size()))) == kPrefix;
    const size_t most = is_ssh || own_role_ == Role::server ? kMaxIdentification : kMaxBannerLine;
    if (length >= most) return {Kind::refused, consumed, "Identification string too long."};
    if (end == rest.end()) return {Kind::more, consumed};
    consumed += length + 1;
    std::string_view line = text_of(rest.first(length));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (is_ssh) return judge(line, consumed);
    // RFC 4253 section 4.2: only a server may send other lines first.
    if (own_role_ == Role::server) return {Kind::refused, consumed, "Invalid SSH identification string."};
    if (++lines_ > kMaxBannerLines)
      return {Kind::refused, consumed, "Too many lines before the identification string."};
    said_ = line;
  }
}

IdentificationReader::Answer IdentificationReader::judge(std::string_view line, size_t consumed) {
  const std::string_view rest = line.substr(kPrefix.size());
  const size_t dash = rest.find('-');
  if (dash == std::string_view::npos || !printable(line)) {
    return {Kind::refused, consumed, "Invalid SSH identification string."};
  }
  const std::string_view protocol = rest.substr(0, dash);
  if (protocol != "2.0" && protocol != "1.99") {
    return {Kind::refused, consumed,
            "Protocol major versions differ: this end speaks SSH version 2 only, the other sent SSH-" +
                std::string(protocol) + "."};
  }
  peer_.line = line;
  peer_.software = rest.substr(dash + 1);
  return {Kind::found, consumed};
}

std::string own_identification(std::string_view software) {
  SLUICE_CHECK(!software.empty() && printable(software) && software.size() < kMaxIdentification - 10);
  return "SSH-2.0-" + std::string(software);
}

}  // namespace sluice
