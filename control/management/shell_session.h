// ShellSession: an operator's shell: exec and configure modes, his privilege, his candidate configuration.
//
// A line goes in and a reply comes out, one at a time; it knows nothing of sockets and terminals. Whoever it is, what
// he may do is decided here by his privilege, row by row.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/config/config_reader.h"
#include "control/management/config_ledger.h"
#include "control/management/debug_wish.h"
#include "control/management/exec_table.h"

namespace sluice {

struct Operator {
  std::string name;
  unsigned privilege = 1;
  std::string from = "console";
};

struct ShellReply {
  enum class Next : uint8_t { line, text, answer, secret, closed };
  std::string output = {};
  std::string prompt = {};
  bool failed = false;
  Next next = Next::line;
  // A program's words for the operator's client to run in his own name, behind those of its environment (NAME=VALUE).
  // "{sluicectl}" in them is the client's path,
  // "{input}" a file that has `input` in it.
  std::vector<std::string> run = {};
  std::string input = {};
};

inline constexpr size_t kMaxShellLine = kMaxConfigLine;

class ShellSession {
 public:
  ShellSession(ManagementHost& host, ConfigLedger& ledger, Operator who, bool json);
  ~ShellSession();
  ShellSession(const ShellSession&) = delete;
  ShellSession& operator=(const ShellSession&) = delete;

  using Done = std::function<void(ShellReply)>;
  // Not before the last one was answered.
  void execute(const std::string& line, Done done);
  bool busy() const { return busy_; }
  std::vector<Candidate> complete(std::string_view line) const;
  std::string prompt() const;

  // For the commands.
  const Operator& who() const { return who_; }
  void set_privilege(unsigned privilege) { who_.privilege = privilege; }
  std::string name_for_log() const;
  bool json() const { return json_; }
  Platform platform() const;
  void leave() { leaving_ = true; }
  bool configuring() const { return reader_ != nullptr; }
  void begin_configuring();
  void end_configuring() { reader_.reset(); }
  // Out of the mode that it stands in; false at the top.
  bool leave_mode();
  void leave_all_modes();
  const ServerConfig& candidate() const { return reader_->config(); }
  bool has_changes() const;
  // The running configuration is somebody else's now than it was when this candidate began.
  bool outdated() const { return serial_ != ledger_.serial(); }
  void forget_changes();
  void commit(const std::shared_ptr<Exec>& exec, std::optional<unsigned> seconds, bool then_leave, bool force = false);
  void run_line(const std::shared_ptr<Exec>& exec, const std::string& line);
  uint32_t debug_mask() const;
  const std::vector<DebugWish>& debug_wishes() const { return debug_wishes_; }
  void set_debug_wishes(std::vector<DebugWish> wishes) { debug_wishes_ = std::move(wishes); }

 private:
  void run(std::string_view line, Done done);
  void run_command(const ExecGrammar& grammar, const MatchedCommand& matched, Done done);
  void configure(std::string_view line, Done done);
  void apply_at_once(Done done, std::string output);
  void await(const std::shared_ptr<Exec>& exec, const Done& done);
  void settle(const std::shared_ptr<Exec>& exec, const Done& done);
  void reply_error(std::string_view line, const LineError& error, const Done& done) const;
  void restart_candidate(const ServerConfig& from);
  bool prefers_config(std::string_view line) const;

  ManagementHost& host_;
  ConfigLedger& ledger_;
  Operator who_;
  bool json_;
  bool busy_ = false;
  bool leaving_ = false;
  std::unique_ptr<ConfigReader> reader_;
  uint64_t serial_ = 0;
  std::shared_ptr<Exec> asking_;
  std::vector<DebugWish> debug_wishes_;
  std::shared_ptr<bool> lives_ = std::make_shared<bool>(true);
};

// As the routers mark the word: the line, a caret, what is wrong.
std::string marked(std::string_view line, size_t column, std::string_view what);

}  // namespace sluice
