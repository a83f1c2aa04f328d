// libedit, loaded when a terminal wants it, so that no other start of the program pays for it; and plain lines.
#include "apps/terminal/line_editor.h"

#include <dlfcn.h>
#include <histedit.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cwchar>

#include "apps/terminal/interrupt.h"
#include "apps/terminal/prompt_signals.h"
#include "apps/terminal/terminal_guard.h"

namespace sluice {
namespace {

constexpr int kHistory = 1000;

class PlainLines final : public LineEditor {
 public:
  PlainLines(int input, std::string prompt) : input_(input), prompt_(std::move(prompt)) {}

  std::optional<std::string> read() override {
    const PromptSignals signals;
    if (!prompt_.empty()) std::fputs(prompt_.c_str(), stdout);
    std::fflush(stdout);
    std::string line;
    while (true) {
      for (; next_ < filled_; ++next_) {
        if (bytes_[next_] == '\n') return ++next_, line;
        // The parser refuses what is longer; what it is does not matter then.
        if (line.size() <= kMaxEditedLine) line.push_back(bytes_[next_]);
      }
      switch (signals.wait(input_)) {
        case Woken::interrupt: std::fputc('\n', stdout); return "";
        case Woken::stopped: signals.stop(false); break;
        case Woken::continued:
        case Woken::resized:
        case Woken::other: break;
        case Woken::input:
          if (fill()) break;
          return line.empty() ? std::nullopt : std::optional(line);
      }
    }
  }

 private:
  // False: the end. What an interrupt kept from being read the next wait tells of.
  bool fill() {
    next_ = filled_ = 0;
    const ssize_t n = ::read(input_, bytes_.data(), bytes_.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return true;
    filled_ = static_cast<size_t>(std::max<ssize_t>(n, 0));
    return n > 0;
  }

  void set_prompt(std::string prompt) override { prompt_ = std::move(prompt); }

  const int input_;
  std::string prompt_;
  std::array<char, 4096> bytes_{};
  size_t next_ = 0, filled_ = 0;
};

// The functions that are used of the library; all or none.
struct LibEdit {
  void* library = ::dlopen("libedit.so.2", RTLD_NOW | RTLD_LOCAL);
  decltype(&::el_init) init = symbol<decltype(&::el_init)>("el_init");
  decltype(&::el_end) end = symbol<decltype(&::el_end)>("el_end");
  decltype(&::el_set) set = symbol<decltype(&::el_set)>("el_set");
  decltype(&::el_get) get = symbol<decltype(&::el_get)>("el_get");
  decltype(&::el_gets) gets = symbol<decltype(&::el_gets)>("el_gets");
  decltype(&::el_line) line = symbol<decltype(&::el_line)>("el_line");
  decltype(&::el_insertstr) insert = symbol<decltype(&::el_insertstr)>("el_insertstr");
  decltype(&::el_resize) resize = symbol<decltype(&::el_resize)>("el_resize");
  decltype(&::el_source) source = symbol<decltype(&::el_source)>("el_source");
  decltype(&::history_init) history_begin = symbol<decltype(&::history_init)>("history_init");
  decltype(&::history_end) history_end = symbol<decltype(&::history_end)>("history_end");
  decltype(&::history) history = symbol<decltype(&::history)>("history");

  bool whole() const {
    return init && end && set && get && gets && line && insert && resize && source && history_begin && history_end &&
           history;
  }
  template <class F>
  F symbol(const char* name) const {
    return library ? reinterpret_cast<F>(::dlsym(library, name)) : nullptr;
  }
};

const LibEdit& libedit() {
  static const LibEdit one;
  return one;
}

class EditedLines final : public LineEditor {
 public:
  EditedLines(std::string prompt, LineEditorOptions options)
      : prompt_(std::move(prompt)), options_(std::move(options)) {
    const LibEdit& lib = libedit();
    edit_ = lib.init(options_.name.c_str(), stdin, stdout, stderr);
    history_ = lib.history_begin();
    HistEvent event;
    lib.history(history_, &event, H_SETSIZE, kHistory);
    lib.set(edit_, EL_CLIENTDATA, this);
    lib.set(edit_, EL_PROMPT, &EditedLines::prompt);
    lib.set(edit_, EL_EDITOR, "emacs");
    lib.set(edit_, EL_HIST, lib.history, history_);
    lib.set(edit_, EL_TERMINAL, nullptr);
    // The library would go on reading behind an interrupt: signals are ours, and these two are keys like others here.
    lib.set(edit_, EL_SIGNAL, 0);
    lib.set(edit_, EL_GETCFN, &EditedLines::next_character);
    lib.set(edit_, EL_SETTY, "-d", "-isig", nullptr);
    lib.set(edit_, EL_ADDFN, "sluice-abandon", "Give up this line", &EditedLines::abandon);
    lib.set(edit_, EL_BIND, "^C", "sluice-abandon", nullptr);
    lib.set(edit_, EL_ADDFN, "sluice-stop", "Stop the program", &EditedLines::stop);
    lib.set(edit_, EL_BIND, "^Z", "sluice-stop", nullptr);
    lib.set(edit_, EL_ADDFN, "sluice-complete", "Complete names", &EditedLines::complete);
    lib.set(edit_, EL_BIND, "^I", "sluice-complete", nullptr);
    if (options_.help) {
      lib.set(edit_, EL_ADDFN, "sluice-help", "Say what may follow", &EditedLines::help);
      lib.set(edit_, EL_BIND, "?", "sluice-help", nullptr);
    }
    // As OpenSSH's sftp: word by word with the control keys of common terminals, history by what is typed.
    lib.set(edit_, EL_BIND, "\\e[1~", "ed-move-to-beg", nullptr);
    lib.set(edit_, EL_BIND, "\\e[4~", "ed-move-to-end", nullptr);
    lib.set(edit_, EL_BIND, "\\e[3~", "ed-delete-next-char", nullptr);
    lib.set(edit_, EL_BIND, "^R", "em-inc-search-prev", nullptr);
    if (options_.users_keys) lib.source(edit_, nullptr);
  }
  ~EditedLines() override {
    libedit().end(edit_);
    libedit().history_end(history_);
  }
  EditedLines(const EditedLines&) = delete;
  EditedLines& operator=(const EditedLines&) = delete;

  std::optional<std::string> read() override {
    const LibEdit& lib = libedit();
    const PromptSignals signals;
    guard_.keep();
    // Before the prompt is seen, so that what is typed at it is never taken for signals by the terminal. What came
    // earlier the prompt itself answers.
    lib.set(edit_, EL_PREP_TERM, 1);
    forget_interrupt();
    int count = 0;
    abandoned_ = false;
    forced_.clear();
    const char* line = lib.gets(edit_, &count);
    lib.set(edit_, EL_PREP_TERM, 0);
    guard_.release();
    if (!forced_.empty()) {
      std::fputc('\n', stdout);
      return forced_;
    }
    if (!line || count <= 0) {
      std::fputc('\n', stdout);
      return abandoned_ ? std::optional<std::string>("") : std::nullopt;
    }
    std::string text(line, static_cast<size_t>(count));
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
    if (text.find_first_not_of(" \t") != std::string::npos) {
      HistEvent event;
      lib.history(history_, &event, H_ENTER, text.c_str());
    }
    return text;
  }

 private:
  static EditedLines* self_of(EditLine* edit) {
    void* self = nullptr;
    libedit().get(edit, EL_CLIENTDATA, &self);
    return static_cast<EditedLines*>(self);
  }
  static char* prompt(EditLine* edit) { return self_of(edit)->prompt_.data(); }

  static unsigned char abandon(EditLine* edit, int) {
    self_of(edit)->abandoned_ = true;
    return CC_EOF;
  }

  static unsigned char stop(EditLine* edit, int) {
    if (EditedLines& self = *self_of(edit); !self.options_.stop_line.empty()) {
      self.forced_ = self.options_.stop_line;
      return CC_EOF;
    }
    stop_and_return(edit, true);
    return CC_REDISPLAY;
  }

  static void stop_and_return(EditLine* edit, bool job) {
    libedit().set(edit, EL_PREP_TERM, 0);
    PromptSignals::stop(job);
    libedit().set(edit, EL_PREP_TERM, 1);
  }

  // 1: a character, 0: the end of input, -1: this line is given up.
  static int next_character(EditLine* edit, wchar_t* character) {
    EditedLines& self = *self_of(edit);
    while (true) {
      switch (PromptSignals::wait(STDIN_FILENO, self.options_.events)) {
        case Woken::interrupt: self.abandoned_ = true; return -1;
        case Woken::stopped:
          stop_and_return(edit, false);
          libedit().set(edit, EL_REFRESH);
          break;
        case Woken::continued:
          // Whoever had the terminal meanwhile left it as he liked.
          libedit().set(edit, EL_PREP_TERM, 0);
          libedit().set(edit, EL_PREP_TERM, 1);
          libedit().set(edit, EL_REFRESH);
          break;
        case Woken::resized: libedit().resize(edit); break;
        case Woken::other:
          // Its lines stand above the prompt.
          std::fputs("\r\033[K", stdout);
          self.options_.on_event();
          std::fflush(stdout);
          libedit().set(edit, EL_REFRESH);
          break;
        case Woken::input:
          const int got = self.read_character(*character);
          if (got >= 0) return got;
      }
    }
  }

  // -1: not whole yet.
  int read_character(wchar_t& character) {
    char byte;
    const ssize_t n = ::read(STDIN_FILENO, &byte, 1);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return -1;
    if (n <= 0) return 0;
    const size_t used = std::mbrtowc(&character, &byte, 1, &partial_);
    if (used == 0 || used == 1) return 1;
    // What is no text of the user's locale is dropped, and the next byte begins anew.
    if (used == static_cast<size_t>(-1)) partial_ = {};
    return -1;
  }

  static unsigned char help(EditLine* edit, int) {
    const LineInfo* info = libedit().line(edit);
    const std::string line(info->buffer, info->cursor);
    const std::string lines = self_of(edit)->options_.help(line);
    if (lines.empty()) return libedit().insert(edit, "?") == 0 ? CC_REFRESH : CC_ERROR;
    std::printf("?\n%s", lines.c_str());
    std::fflush(stdout);
    return CC_REDISPLAY;
  }

  static unsigned char complete(EditLine* edit, int) {
    const LineInfo* info = libedit().line(edit);
    const std::string line(info->buffer, info->cursor);
    const Completion found = self_of(edit)->complete_with_signals(line);
    if (!found.choices.empty()) {
      std::fputc('\n', stdout);
      show_choices(found.choices);
    }
    if (!found.insert.empty() && libedit().insert(edit, found.insert.c_str()) != 0) return CC_ERROR;
    if (!found.choices.empty()) return CC_REDISPLAY;
    return found.insert.empty() ? CC_ERROR : CC_REFRESH;
  }

  // The server may be slow: until it has answered ^C is a signal.
  Completion complete_with_signals(const std::string& line) {
    termios modes;
    const bool known = ::tcgetattr(STDIN_FILENO, &modes) == 0;
    if (known) {
      termios with = modes;
      with.c_lflag |= ISIG;
      for (const int key : {VINTR, VQUIT, VSUSP}) with.c_cc[key] = guard_.original().c_cc[key];
      ::tcsetattr(STDIN_FILENO, TCSANOW, &with);
    }
    Completion found = options_.complete ? options_.complete(line) : Completion();
    if (known) ::tcsetattr(STDIN_FILENO, TCSANOW, &modes);
    return found;
  }

  static void show_choices(const std::vector<std::string>& choices) {
    size_t widest = 0;
    for (const std::string& choice : choices) widest = std::max(widest, choice.size() + 2);
    const size_t columns = std::max<size_t>(1, 80 / widest);
    for (size_t i = 0; i < choices.size(); ++i) {
      const bool last = i + 1 == choices.size() || (i + 1) % columns == 0;
      std::printf("%-*s%s", last ? 0 : static_cast<int>(widest), choices[i].c_str(), last ? "\n" : "");
    }
    std::fflush(stdout);
  }

  void set_prompt(std::string prompt) override { prompt_ = std::move(prompt); }

  std::string prompt_;
  LineEditorOptions options_;
  std::string forced_;  // what a key made of the line
  // The terminal is given back by whatever signal ends the program.
  TerminalGuard guard_{STDIN_FILENO};
  std::mbstate_t partial_{};
  EditLine* edit_ = nullptr;
  ::History* history_ = nullptr;
  bool abandoned_ = false;
};

}  // namespace

std::unique_ptr<LineEditor> make_line_editor(const std::string& prompt, LineEditor::Complete complete) {
  LineEditorOptions options;
  options.complete = std::move(complete);
  return make_line_editor(prompt, std::move(options));
}

std::unique_ptr<LineEditor> make_line_editor(const std::string& prompt, LineEditorOptions options) {
  if (::isatty(STDIN_FILENO) && ::isatty(STDOUT_FILENO) && libedit().whole()) {
    std::setlocale(LC_CTYPE, "");
    return std::make_unique<EditedLines>(prompt, std::move(options));
  }
  return make_line_reader(STDIN_FILENO, prompt);
}

std::unique_ptr<LineEditor> make_line_reader(int input, const std::string& prompt) {
  return std::make_unique<PlainLines>(input, prompt);
}

}  // namespace sluice
