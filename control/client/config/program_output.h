// What a program prints that is started without a shell.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace sluice {

enum class ProgramErrors : uint8_t { shown, hidden };

// words[0] is a path. Waits for its end, a minute at most; more output than `most`, or a status that is not 0, fails.
ResultOrText<std::string> program_output(std::vector<std::string> words, size_t most,
                                         ProgramErrors errors = ProgramErrors::shown);

}  // namespace sluice
