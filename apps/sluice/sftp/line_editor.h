// LineEditor: lines of input: on a terminal with editing, history and completion by libedit, else as they come.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "apps/sluice/sftp/completion.h"

namespace sluice {

class LineEditor {
 public:
  // What a Tab is answered with, for the line up to the cursor. Runs inside read().
  using Complete = std::function<Completion(std::string_view line)>;
  virtual ~LineEditor() = default;
  // Nothing: the end of the input. An interrupted line is an empty one.
  virtual std::optional<std::string> read() = 0;
};

// The best that standard input allows: editing only on a terminal where libedit is installed.
std::unique_ptr<LineEditor> make_line_editor(const std::string& prompt, LineEditor::Complete complete);
// Plain lines of a descriptor, which stays the caller's, bounded by kMaxSftpLine.
std::unique_ptr<LineEditor> make_line_reader(int input, const std::string& prompt);

}  // namespace sluice
