// A program whose standard input and output are a stream of ours.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace sluice {

struct ProgramStream {
  UniqueFd stream;
  pid_t child = -1;
};

// Its name is looked for in PATH. It ends when the stream does; one that is not there says so on standard error.
ResultOrText<ProgramStream> start_program(const std::vector<std::string>& words);
// Its exit status; 255 where it was killed or there is none.
int status_of_program(pid_t child);

}  // namespace sluice
