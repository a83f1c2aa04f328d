// One character after the other; a line begins at the start and after CR or LF.
#include "services/client_session/escape_filter.h"

namespace sluice {
namespace {

constexpr uint8_t kSuspend = 26;

std::string shown(int escape) {
  if (escape < 32) return std::string("^").append(1, static_cast<char>(escape + 64));
  return std::string(1, static_cast<char>(escape));
}

}  // namespace

EscapeFilter::Taken EscapeFilter::take(Bytes typed) {
  Taken out;
  if (escape_ < 0) {
    out.data.assign(typed.begin(), typed.end());
    return out;
  }
  out.data.reserve(typed.size());
  for (const uint8_t c : typed) {
    if (in_command_) {
      take_command_character(c, out);
    } else if (escaped_) {
      escaped_ = false;
      take_after_escape(c, out);
    } else if (line_begins_ && c == escape_) {
      escaped_ = true;
    } else {
      line_begins_ = c == '\r' || c == '\n';
      out.data.push_back(c);
    }
  }
  return out;
}

void EscapeFilter::take_after_escape(uint8_t c, Taken& out) {
  const auto event = [&](EscapeOrder order) { out.events.push_back({order}); };
  line_begins_ = true;
  switch (c) {
    case '.': return event(EscapeOrder::disconnect);
    case kSuspend: return event(EscapeOrder::suspend);
    case '#': return event(EscapeOrder::list);
    case '?': return event(EscapeOrder::help);
    case '&': return event(EscapeOrder::background);
    case 'B': return event(EscapeOrder::send_break);
    case 'R': return event(EscapeOrder::rekey);
    case 'v': return event(EscapeOrder::louder);
    case 'V': return event(EscapeOrder::quieter);
    case 'C':
      if (!command_line_) {
        out.echo.append("commandline disabled\r\n");
        return;
      }
      in_command_ = true;
      command_.clear();
      out.echo.append("\r\nssh> ");
      return;
    default: break;
  }
  // Twice the escape character is one of them; anything else goes through as it was typed.
  if (c != escape_) out.data.push_back(static_cast<uint8_t>(escape_));
  out.data.push_back(c);
  line_begins_ = c == '\r' || c == '\n';
}

void EscapeFilter::take_command_character(uint8_t c, Taken& out) {
  if (c == '\r' || c == '\n') {
    in_command_ = false;
    out.echo.append("\r\n");
    if (!command_.empty()) out.events.push_back({EscapeOrder::command, command_});
  } else if (c == 3 || c == 4) {
    in_command_ = false;
    out.echo.append("\r\n");
  } else if (c == 127 || c == 8) {
    if (command_.empty()) return;
    command_.pop_back();
    out.echo.append("\b \b");
  } else if (c >= 32 && command_.size() < kMaxEscapeLine) {
    command_.push_back(static_cast<char>(c));
    out.echo.push_back(static_cast<char>(c));
  }
}

std::string EscapeFilter::help(int escape, bool command_line) {
  const std::string e = shown(escape);
  std::string text(e);
  text.append("?\r\nSupported escape sequences:\r\n");
  const auto line = [&](std::string_view key, std::string_view what) {
    text.append(" ").append(e).append(key).append(key.size() > 1 ? "  - " : "   - ").append(what).append("\r\n");
  };
  line(".", "terminate connection (and any multiplexed sessions)");
  line("B", "send a BREAK to the remote system");
  if (command_line) line("C", "open a command line");
  line("R", "request rekey");
  line("V/v", "decrease/increase verbosity (LogLevel)");
  line("^Z", "suspend ssh");
  line("#", "list forwarded connections");
  line("?", "this message");
  line(e, "send the escape character by typing it twice");
  return text.append("(Note that escapes are only recognized immediately after newline.)\r\n");
}

}  // namespace sluice
