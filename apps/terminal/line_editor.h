// LineEditor: lines of input: on a terminal with editing, history and completion by libedit, else as they come.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

// What no command is as long as; of a longer line no more is kept.
inline constexpr size_t kMaxEditedLine = 64 * 1024;

struct Completion {
  std::string insert;                // to be typed for the user behind the cursor
  std::vector<std::string> choices;  // what it may become, when there is more than one: fit to be shown
};

struct LineEditorOptions {
  // As which ~/.editrc knows it.
  std::string name = "sluice-sftp";
  // Who types may not be who wrote ~/.editrc.
  bool users_keys = true;
  // What a Tab is answered with, for the line up to the cursor. Runs inside read().
  std::function<Completion(std::string_view line)> complete = {};
  // What a question mark is answered with: lines to be shown, or nothing where it is a character like others.
  std::function<std::string(std::string_view line)> help = {};
  // While it waits for keys: what is to be done when this descriptor is readable; it may print lines.
  int events = -1;
  std::function<void()> on_event = {};
  // What ^Z means instead of stopping the program; empty: it stops it.
  std::string stop_line = {};
};

class LineEditor {
 public:
  using Complete = std::function<Completion(std::string_view line)>;
  virtual ~LineEditor() = default;
  // Nothing: the end of the input. An interrupted line is an empty one.
  virtual std::optional<std::string> read() = 0;
  virtual void set_prompt(std::string prompt) = 0;
};

// The best that standard input allows: editing only on a terminal where libedit is installed.
std::unique_ptr<LineEditor> make_line_editor(const std::string& prompt, LineEditor::Complete complete);
std::unique_ptr<LineEditor> make_line_editor(const std::string& prompt, LineEditorOptions options);
// Plain lines of a descriptor, which stays the caller's, bounded by kMaxEditedLine.
std::unique_ptr<LineEditor> make_line_reader(int input, const std::string& prompt);

}  // namespace sluice
