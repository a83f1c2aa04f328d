// SftpConsole: the commands of sluice sftp, carried out.
#pragma once

#include "apps/sluice/sftp/file_copier.h"
#include "apps/terminal/line_editor.h"
#include "apps/sluice/sftp/listing.h"

namespace sluice {

struct ConsoleSettings {
  bool quiet = false;                          // no "Fetching", no "Changing mode"
  bool batch = false;                          // the first error ends it
  bool echo = false;                           // each command is shown, as no terminal did it
  CopyRules copies;                            // of the command line: they hold for every get and put
  std::function<void()> toggle_progress;       // says itself what it is now
  std::function<std::string()> why_lost = {};  // what is known of the connection's end
};

class SftpConsole {
 public:
  SftpConsole(RemoteFiles& remote, FileCopier& copier, ConsoleSettings settings)
      : remote_(remote), copier_(copier), settings_(std::move(settings)), start_(remote.folder()) {}

  // Until the input ends, quit, or an error in batch mode. True: all is well.
  bool run(LineEditor& lines);
  // One line.
  enum class Outcome : uint8_t { done, failed, quit };
  Outcome execute(const std::string& line);
  // As the command line's HOST:PATH means it: a folder is entered (1), a file is fetched.
  bool begin_at(const std::string& path, const std::string& target, bool& fetched);

  Completion complete(std::string_view line);

 private:
  bool carry_out(const SftpCommand& command);
  bool change_folder(const SftpCommand& command);
  bool change_local_folder(const SftpCommand& command);
  bool change_mode(const SftpCommand& command);
  bool change_owner(const SftpCommand& command);
  bool remove(const SftpCommand& command);
  bool link(const SftpCommand& command);
  bool list(const SftpCommand& command);
  bool list_folder(const std::string& path, const std::string& shown, const SftpFlags& flags);
  bool show(std::vector<ListedFile> files, const SftpFlags& flags);
  OwnerNames owners_of(const std::vector<ListedFile>& files, const SftpFlags& flags);
  bool get(const SftpCommand& command);
  bool put(const SftpCommand& command);
  bool show_filesystem_of(const SftpCommand& command);
  bool run_shell(const std::string& command);
  bool local_step(const SftpCommand& command);

  CopyRules rules_for(const SftpFlags& flags) const;
  // Without patterns.
  SftpResult<std::string> remote_path(const ShellWord& word);
  // Complete paths; empty, and told, where there are none.
  std::vector<std::string> remote_matches(const ShellWord& word, const std::string& verb);
  std::vector<std::string> remote_matches(const ShellWord& word);
  bool complain(const std::string& what);
  bool complain(const std::string& what, const SftpFault& fault) { return complain(what + ": " + fault.text); }
  bool judge(const std::string& what, const SftpResult<void>& result) {
    return result ? true : complain(what, result.error());
  }

  RemoteFiles& remote_;
  FileCopier& copier_;
  const ConsoleSettings settings_;
  const std::string start_;
  LocalNames local_;
};

}  // namespace sluice
