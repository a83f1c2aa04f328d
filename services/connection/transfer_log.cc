// Lines, and a bucket of refusals.
#include "services/connection/transfer_log.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/clock.h"
#include "base/plain_text.h"

namespace sluice {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
// Refusals of one connection that are told: some at once, then a few a second.
constexpr uint64_t kAtOnce = 100;
constexpr uint64_t kEachNs = kSecond / 10;

}  // namespace

std::string quoted(std::string_view name) {
  std::string out = "\"";
  for (const char c : name.substr(0, kMaxQuoted)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\') {
      out += c;
      continue;
    }
    std::array<char, 5> escape{};
    std::snprintf(escape.data(), escape.size(), "\\x%02x", byte);
    out += escape.data();
  }
  return out += name.size() > kMaxQuoted ? "\"..." : "\"";
}

std::string TransferLog::begin(std::string_view protocol) const {
  std::string line(protocol);
  return line.append(": user ")
      .append(quoted(connection_.login().user))
      .append(" from ")
      .append(connection_.login().source);
}

void TransferLog::ended(std::string_view protocol, const TransferEnd& transfer) {
  if (!kept()) return;
  std::array<char, 32> time{};
  const double seconds = static_cast<double>(monotonic_clock().now_ns() - transfer.opened_ns) / kSecond;
  std::snprintf(time.data(), time.size(), " in %.3f s: ", seconds);
  std::string line = begin(protocol);
  line.append(" ").append(transfer.operation).append(" ").append(quoted(transfer.path)).append(transfer.figures);
  connection_.log_transfer(line.append(time.data()).append(log_text(transfer.result)));
}

bool TransferLog::may_tell() {
  const uint64_t now = monotonic_clock().now_ns();
  const uint64_t full = now - std::min(now, kAtOnce * kEachNs);
  paid_ns_ = std::max(paid_ns_, full);
  if (paid_ns_ >= now) {
    ++untold_;
    return false;
  }
  paid_ns_ += kEachNs;
  return true;
}

void TransferLog::refused(std::string_view protocol, std::string_view operation, std::string_view path,
                          std::string_view other, std::string_view why) {
  if (!kept() || !may_tell()) return;
  std::string line = begin(protocol);
  line.append(" refused ").append(operation).append(" ").append(quoted(path));
  if (!other.empty()) line.append(" ").append(quoted(other));
  line.append(": ").append(log_text(why.substr(0, kMaxQuoted)));
  if (untold_ > 0) line.append(" (and ").append(std::to_string(untold_)).append(" before it that were not told)");
  untold_ = 0;
  connection_.log_transfer(std::move(line));
}

}  // namespace sluice
