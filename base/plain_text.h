// What a stranger says, made fit for a person's terminal or a line of the log.
#pragma once

#include <string>
#include <string_view>

namespace sluice {

// Control characters but line ends and tabs are dropped, RFC 4252 section 5.4; a byte that is no part of a character
// of UTF-8 becomes a question mark. What is left holds no control character, however the dropped ones lay between.
std::string terminal_text(std::string_view text);
// One line it stays.
std::string log_text(std::string_view text);

}  // namespace sluice
