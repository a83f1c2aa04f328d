// Programs that are run and accounted for: their CPU, the most memory of them and of whatever they started.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace sluice::bench {

struct ChildOptions {
  std::vector<std::string> words;
  std::string input = {};  // on its standard input
  // Beside ours: NAME=VALUE.
  std::vector<std::string> environment = {};
  double patience_seconds = 3600;
  // Where both its streams go, instead of to us: of what talks for long and is not listened to.
  std::string output_file = {};
  // Its errors go where ours do, and what it says is its output alone.
  bool errors_apart = false;
  // Whoever the program leaves behind is waited for and accounted for, by a process between it and us.
  bool with_keeper = false;
};

struct ChildOutcome {
  int status = -1;     // the exit status; 128 and the signal; 127 where it could not be started
  std::string output;  // both streams, the last kMostOutput bytes
  double seconds = 0;
  double cpu_seconds = 0;  // with whatever it waited for
  bool success() const { return status == 0; }
};
inline constexpr size_t kMostOutput = 64 << 10;

// A program in a process group of its own, which ends with this object.
class Child {
 public:
  static ResultOrText<std::unique_ptr<Child>> start(ChildOptions options);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t process() const { return process_; }
  // The tree from here has those in it whom the program left behind; else it is the program.
  pid_t root() const { return root_; }
  // What it says, for whoever does not wait() for it.
  int output() const { return output_.get(); }
  // Takes what it says until it has ended, or its patience has.
  ChildOutcome wait();
  // The first line that it says, or nothing where it ended before.
  std::optional<std::string> read_line(double patience_seconds);
  // Asks it to end, and kills the group when it does not.
  void stop(int signal_number);
  bool running();

 private:
  Child() = default;
  void take_status(int status);
  bool heard_of_end();
  void hear_account();
  void end_keeper();

  pid_t process_ = -1, root_ = -1;
  UniqueFd keeper_says_;
  bool ended_ = false;
  int status_ = -1;
  double cpu_seconds_ = 0;
  double began_ = 0, ended_at_ = 0;
  double patience_ = 0;
  UniqueFd output_;
  std::string said_;
};

ChildOutcome run_child(const ChildOptions& options);
// Where a program of that name is: itself where it has a slash, or by PATH and the system's folders; empty: nowhere.
std::string find_program(std::string_view name);

// Of a process and all that came from it.
struct TreeUse {
  double cpu_seconds = 0;     // children that have ended and were waited for are in it
  uint64_t memory_bytes = 0;  // proportional set size
  size_t processes = 0;
};
std::vector<pid_t> tree_of(pid_t root);
double tree_cpu_seconds(pid_t root);
TreeUse tree_use(pid_t root);
// Of one process alone, in bytes: proportional set size.
uint64_t memory_of(pid_t process);
double cpu_seconds_of(pid_t process);

double monotonic_seconds();

}  // namespace sluice::bench
