// DISPLAY's forms, and xauth's answers.
#include "apps/sluice/x11_display.h"

#include <stdlib.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "control/client/config/program_output.h"
#include "control/keys/words.h"

namespace sluice {
namespace {

constexpr std::string_view kCookieProtocol = "MIT-MAGIC-COOKIE-1";
constexpr size_t kCookieBytes = 16;
constexpr size_t kMostCookie = 256;
constexpr size_t kMostOutput = 64 * 1024;
constexpr uint32_t kFirstPort = 6000;
// The display's own key lives a little longer than we use it.
constexpr long long kSlackSeconds = 60;
constexpr std::string_view kSafe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:/.-_";

struct Key {
  std::string protocol;
  std::vector<uint8_t> cookie;
};

bool read_number(std::string_view& text, uint32_t& number) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(read.ptr - text.data()));
  return true;
}

// [host]:number[.screen], unix:number, or a socket's path before the colon.
ResultOrText<void> read_place(std::string_view display, X11Display& out) {
  const size_t colon = display.rfind(':');
  if (colon == std::string_view::npos || display.find_first_not_of(kSafe) != std::string_view::npos)
    return fail(joined({"DISPLAY '", printable(display), "' names no display"}));
  const std::string_view host = display.substr(0, colon);
  std::string_view rest = display.substr(colon + 1);
  uint32_t number = 0;
  if (!read_number(rest, number) || number > 65535 - kFirstPort)
    return fail(joined({"DISPLAY '", printable(display), "' has no number"}));
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    (void)read_number(rest, out.shown.screen);
  }
  if (host.starts_with('/')) {
    out.target = {StreamTarget::Kind::path, std::string(host), 0};
  } else if (host.empty() || host == "unix") {
    out.target = {StreamTarget::Kind::path, "/tmp/.X11-unix/X" + std::to_string(number), 0};
  } else {
    out.target = {StreamTarget::Kind::tcp, std::string(host), static_cast<uint16_t>(kFirstPort + number)};
  }
  return {};
}

// "HOST/unix:0  MIT-MAGIC-COOKIE-1  0123..." of the first line that has them.
std::optional<Key> read_key(std::string_view listed) {
  std::string_view line = take_line(listed);
  (void)take_word(line);
  Key key{std::string(take_word(line)), {}};
  const std::string_view hex = take_word(line);
  if (key.protocol.empty() || hex.empty() || hex.size() % 2 != 0 || hex.size() > 2 * kMostCookie) return std::nullopt;
  for (size_t i = 0; i < hex.size(); i += 2) {
    uint8_t byte = 0;
    const auto read = std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
    if (read.ec != std::errc() || read.ptr != hex.data() + i + 2) return std::nullopt;
    key.cookie.push_back(byte);
  }
  return key;
}

// As xauth files it: displays of this machine by its socket.
std::string xauth_name(const std::string& display) {
  constexpr std::string_view kHere = "localhost:";
  return display.starts_with(kHere) ? "unix:" + display.substr(kHere.size()) : display;
}

// It reads a file, and waits for whoever has it locked.
ProgramBounds bounds(int cancelled) {
  constexpr std::chrono::seconds kMostTime{20};
  return {.most_output = kMostOutput, .most_time = kMostTime, .errors = ProgramErrors::hidden, .cancelled = cancelled};
}

std::optional<Key> trusted_key(const std::string& xauth, const std::string& display, int cancelled) {
  const auto listed = program_output({xauth, "list", xauth_name(display)}, bounds(cancelled));
  return listed ? read_key(*listed) : std::nullopt;
}

// A key of its own, by which the display tells such programs from those of the user.
std::optional<Key> untrusted_key(const std::string& xauth, const std::string& display, long long timeout_s,
                                 int cancelled) {
  char folder[] = "/tmp/sluice-x11-XXXXXX";
  if (::mkdtemp(folder) == nullptr) return std::nullopt;
  const std::string file = std::string(folder) + "/authority";
  std::vector<std::string> words{xauth, "-f", file, "generate", display, std::string(kCookieProtocol), "untrusted"};
  if (timeout_s > 0) {
    words.emplace_back("timeout");
    words.push_back(std::to_string(timeout_s + kSlackSeconds));
  }
  std::optional<Key> key;
  if (program_output(std::move(words), bounds(cancelled))) {
    if (const auto listed = program_output({xauth, "-f", file, "list", display}, bounds(cancelled)))
      key = read_key(*listed);
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  return key;
}

}  // namespace

ResultOrText<X11Display> read_x11_display(const std::string& display, const SessionWishes& wishes, int cancelled) {
  X11Display out;
  if (auto placed = read_place(display, out); !placed) return fail(placed.error());
  auto key = wishes.x11_trusted ? trusted_key(wishes.xauth, display, cancelled)
                                : untrusted_key(wishes.xauth, display, wishes.x11_timeout_s, cancelled);
  if (!key && !wishes.x11_trusted) {
    return fail(
        joined({wishes.xauth, " made no key for untrusted X11 programs: the display has no SECURITY extension, or ",
                "xauth is not there (XAuthLocation); -Y forwards it as to trusted programs"}));
  }
  if (!key) {
    log_line(LogLevel::notice, "Warning: No xauth data; using fake authentication data for X11 forwarding.");
    key = Key{std::string(kCookieProtocol), std::vector<uint8_t>(kCookieBytes)};
    fill_random(key->cookie);
  }
  if (!wishes.x11_trusted && wishes.x11_timeout_s > 0)
    out.until_ns = monotonic_clock().now_ns() + static_cast<uint64_t>(wishes.x11_timeout_s) * 1'000'000'000u;
  out.shown.protocol = key->protocol;
  out.shown.cookie.resize(key->cookie.size());
  fill_random(out.shown.cookie);
  out.cookie = std::move(key->cookie);
  return out;
}

}  // namespace sluice
