// Which requests there are and what begins each, all but READ and WRITE.
#pragma once

#include "services/sftp/sftp_session.h"

namespace sluice {

// What of the file system a request changes: nothing in read-only mode.
enum class SftpEffect : uint8_t { looks, changes };

struct SftpRequest {
  SftpType type;
  std::string_view extension;
  // Announced with it; empty: not announced.
  std::string_view version;
  uint8_t handles;
  SftpEffect effect;
  void (*start)(SftpSession& session, SftpSession::Task& task);
  // Paths that it begins with, where it has no handles.
  uint8_t names = 1;

  // In a line of the log.
  std::string_view operation() const;
  bool opens() const { return type == SftpType::open || type == SftpType::opendir || extension == "check-file-name"; }
};

struct SftpRequests {
  using Task = SftpSession::Task;

  // Null: unknown.
  static const SftpRequest* find(SftpType type, std::string_view extension);
  static std::vector<uint8_t> version_packet();

  // sftp_requests.cc
  static void open(SftpSession& session, Task& task);
  static void close(SftpSession& session, Task& task);
  static void stat(SftpSession& session, Task& task);
  static void fstat(SftpSession& session, Task& task);
  static void setstat(SftpSession& session, Task& task);
  static void fsetstat(SftpSession& session, Task& task);
  static void opendir(SftpSession& session, Task& task);
  static void readdir(SftpSession& session, Task& task);
  static void remove(SftpSession& session, Task& task);
  static void mkdir(SftpSession& session, Task& task);
  static void rmdir(SftpSession& session, Task& task);
  static void realpath(SftpSession& session, Task& task);
  static void rename(SftpSession& session, Task& task);
  static void readlink(SftpSession& session, Task& task);
  static void symlink(SftpSession& session, Task& task);

  // sftp_extensions.cc
  static void posix_rename(SftpSession& session, Task& task);
  static void statvfs(SftpSession& session, Task& task);
  static void fstatvfs(SftpSession& session, Task& task);
  static void hardlink(SftpSession& session, Task& task);
  static void fsync(SftpSession& session, Task& task);
  static void lsetstat(SftpSession& session, Task& task);
  static void limits(SftpSession& session, Task& task);
  static void expand_path(SftpSession& session, Task& task);
  static void copy_data(SftpSession& session, Task& task);
  static void home_directory(SftpSession& session, Task& task);
  static void names_of_ids(SftpSession& session, Task& task);
  static void check_handle(SftpSession& session, Task& task);
  static void check_name(SftpSession& session, Task& task);

 private:
  friend class SftpSession;
  static void close_at_broker(SftpSession& session, uint32_t id, SftpFile& file);
  static void closed(SftpSession& session, uint32_t id, SftpFile& file);
  static void end_close(SftpSession& session, uint32_t id, SftpFile& file);
  static void read_names(SftpSession& session, uint32_t id, SftpFile& file);
  static void answer_entries(SftpSession& session, uint32_t id, SftpFile& file);
  static void answer_name(SftpSession& session, uint32_t id, std::string_view path);
  static void answer_attributes(SftpSession& session, uint32_t id, const FileAttributes& attributes);
  static void answer_filesystem(SftpSession& session, uint32_t id, const FilesystemFacts& facts);
  static void answer_handle(SftpSession& session, uint32_t id, SftpFile&& file);
  static void answer_hashes(SftpSession& session, uint32_t id, const Hashes& hashes);
  static void refuse(SftpSession& session, uint32_t id, const Failure& failure) {
    session.tell_refused(session.asked_, status_of(failure.fault), failure.text);
    session.answer(failure_packet(id, failure));
  }
  static void refuse_malformed(SftpSession& session, uint32_t id) {
    session.answer(id, SftpStatus::bad_message, "Malformed request");
  }

  // Asks the broker; `then` gets an Answer and its descriptors, a failure is told to the client. The files have
  // nothing else done to them meanwhile.
  template <class Answer, class Then>
  static void ask(SftpSession& session, uint32_t id, BrokerRequest request, std::array<SftpFile*, 2> held, Then then) {
    ++session.at_broker_;
    for (SftpFile* file : held)
      if (file) ++file->exclusive;
    auto back = [&session, id, held, asked = session.asked_, then = std::move(then)](BrokerReceived&& got) {
      --session.at_broker_;
      for (SftpFile* file : held)
        if (file) --file->exclusive;
      // What it asks for further is still the same request's.
      session.asked_ = asked;
      if (auto* answer = std::get_if<Answer>(&got.answer)) return then(std::move(*answer), std::move(got.descriptors));
      const auto* failure = std::get_if<Failure>(&got.answer);
      refuse(session, id, failure ? *failure : failed(BrokerFault::io, "An answer to something else"));
    };
    session.connection_.broker().ask(*session.caller_, std::move(request), std::move(back));
    if (session.connection_.broker().wants_turn()) session.channel_->ask_turn();
  }
  static void ask_done(SftpSession& session, uint32_t id, BrokerRequest request, std::array<SftpFile*, 2> held = {}) {
    ask<Done>(session, id, std::move(request), held,
              [&session, id](Done&&, std::vector<UniqueFd>&&) { session.answer(id, SftpStatus::ok, "Success"); });
  }
  static void ask_name(SftpSession& session, uint32_t id, BrokerRequest request) {
    ask<PathFound>(session, id, std::move(request), {}, [&session, id](PathFound&& found, std::vector<UniqueFd>&&) {
      answer_name(session, id, found.path);
    });
  }
};

}  // namespace sluice
