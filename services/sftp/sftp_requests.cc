// The requests of draft-ietf-secsh-filexfer-02 section 6, each a question to the broker.
#include "services/sftp/sftp_requests.h"

#include <ctime>

#include "base/clock.h"
#include "services/broker/attributes_of.h"

namespace sluice {
namespace {

// A batch for several answers.
constexpr uint32_t kEntriesAtOnce = 1000;
// What they may hold; where the user has no memory for it, so many that one answer takes them.
constexpr size_t kEntriesBytes = 384 * 1024;
constexpr uint32_t kFewEntries = 64;

std::string take_path(WireReader& reader) { return std::string(reader.text()); }

constexpr uint32_t open_flags(uint32_t flags) {
  static_assert(uint32_t{kSftpRead} == kOpenRead && uint32_t{kSftpWrite} == kOpenWrite &&
                uint32_t{kSftpAppend} == kOpenAppend && uint32_t{kSftpCreate} == kOpenCreate &&
                uint32_t{kSftpTruncate} == kOpenTruncate && uint32_t{kSftpExclusive} == kOpenExclusive);
  return flags;
}

}  // namespace

void SftpRequests::open(SftpSession& session, Task& task) {
  WireReader reader(task.body);
  std::string path = take_path(reader);
  const uint32_t flags = reader.u32();
  const AttributeChange wanted = read_attributes(reader);
  if (!reader.ok()) return refuse_malformed(session, task.id);
  if (session.connection_.settings().sftp.read_only && (flags & ~uint32_t{kSftpRead}) != 0)
    return session.refuse(task.id, SftpStatus::permission_denied, "Read-only");
  auto grant = HandleGrant::take(session.connection_.budget());
  if (!grant) return session.refuse(task.id, SftpStatus::failure, "Too many open files");
  if (FileIoPool::shared().owes_closes(session.owner()))
    return session.refuse(task.id, SftpStatus::failure, kOwesCloses);
  OpenFile request{path, open_flags(flags), wanted.mode.value_or(0666)};
  ask<FileOpened>(session, task.id, std::move(request), {},
                  [&session, id = task.id, path, flags, grant](FileOpened&& opened, std::vector<UniqueFd>&& given) {
                    SftpFile file;
                    static_cast<HeldFile&>(file) = HeldFile(std::move(given.front()), session.owner());
                    file.readable = flags & kSftpRead;
                    file.writable = flags & (kSftpWrite | kSftpAppend);
                    file.broker_handle = opened.handle;
                    file.path = path;
                    file.opened_ns = monotonic_clock().now_ns();
                    file.grant = grant;
                    if (file.writable) session.channel_->widen();
                    answer_handle(session, id, std::move(file));
                  });
}

void SftpRequests::answer_handle(SftpSession& session, uint32_t id, SftpFile&& file) {
  const auto handle = session.files_.handle_of(session.files_.add(std::move(file)));
  session.answer(packet_of(SftpType::handle, id, WireWriter().string(Bytes(handle)).view()));
}

void SftpRequests::close(SftpSession& session, Task& task) {
  SftpFile& file = *task.file;
  // Only where something was written to a disk may closing still fail, or take its time.
  if (file.kind != FileKind::disk || !file.writable) {
    session.connection_.broker().tell(CloseHandle{file.broker_handle});
    return end_close(session, task.id, file);
  }
  file.closes_out = 2;
  session.close_in_pool(file, task.id);
  // The broker, which others wait for too, has nothing left to wait for when a far file's data has gone by the pool.
  // Elsewhere what comes behind finds the file closed: the broker takes requests in their order.
  if (!file.far) close_at_broker(session, task.id, file);
}

void SftpRequests::close_at_broker(SftpSession& session, uint32_t id, SftpFile& file) {
  ++session.at_broker_;
  session.connection_.broker().ask(*session.caller_, CloseHandle{file.broker_handle},
                                   [&session, id, &file](BrokerReceived&& got) {
                                     --session.at_broker_;
                                     auto* failure = std::get_if<Failure>(&got.answer);
                                     if (failure && !file.close_fault) file.close_fault = std::move(*failure);
                                     closed(session, id, file);
                                   });
  if (session.connection_.broker().wants_turn()) session.channel_->ask_turn();
}

// Either of its descriptors: whichever was the one to hear of an error.
void SftpRequests::closed(SftpSession& session, uint32_t id, SftpFile& file) {
  if (--file.closes_out == 0) end_close(session, id, file);
}

void SftpRequests::end_close(SftpSession& session, uint32_t id, SftpFile& file) {
  const Failure fault = file.close_fault.value_or(failure_of(file.error));
  if (file.kind != FileKind::directory)
    session.log_transfer(file, file.close_fault || file.error != 0 ? fault.text : "ok");
  if (file.close_fault) {
    session.answer(failure_packet(id, fault));
  } else {
    session.answer(id, SftpStatus::ok, "Success");
  }
  session.files_.remove(file);
  session.jobs_.trim();
}

void SftpRequests::answer_attributes(SftpSession& session, uint32_t id, const FileAttributes& attributes) {
  WireWriter writer;
  write_attributes(writer, attributes);
  session.answer(packet_of(SftpType::attrs, id, writer.view()));
}

void SftpRequests::stat(SftpSession& session, Task& task) {
  WireReader reader(task.body);
  StatPath request{take_path(reader), task.request->type == SftpType::stat};
  if (!reader.ok()) return refuse_malformed(session, task.id);
  ask<Attributes>(session, task.id, std::move(request), {},
                  [&session, id = task.id](Attributes&& found, std::vector<UniqueFd>&&) {
                    answer_attributes(session, id, found.attributes);
                  });
}

void SftpRequests::fstat(SftpSession& session, Task& task) {
  struct stat facts;
  if (task.file->descriptor && !task.file->far && look_at(task.file->descriptor->get(), facts))
    return answer_attributes(session, task.id, attributes_of(facts));
  ask<Attributes>(session, task.id, StatHandle{task.file->broker_handle}, {task.file},
                  [&session, id = task.id](Attributes&& found, std::vector<UniqueFd>&&) {
                    answer_attributes(session, id, found.attributes);
                  });
}

void SftpRequests::setstat(SftpSession& session, Task& task) {
  WireReader reader(task.body);
  std::string path = take_path(reader);
  const AttributeChange change = read_attributes(reader);
  if (!reader.ok()) return refuse_malformed(session, task.id);
  ask_done(session, task.id, ChangePath{std::move(path), true, change});
}

void SftpRequests::fsetstat(SftpSession& session, Task& task) {
  WireReader reader(task.body);
  const AttributeChange change = read_attributes(reader);
  if (!reader.ok()) return refuse_malformed(session, task.id);
  ask_done(session, task.id, ChangeHandle{task.file->broker_handle, change}, {task.file});
}

void SftpRequests::opendir(SftpSession& session, Task& task) {
  WireReader reader(task.body);
  std::string path = take_path(reader);
  if (!reader.ok()) return refuse_malformed(session, task.id);
  auto grant = HandleGrant::take(session.connection_.budget());
  if (!grant) return session.refuse(task.id, SftpStatus::failure, "Too many open files");
  ask<DirectoryOpened>(session, task.id, OpenDirectory{path}, {},
                       [&session, id = task.id, path, grant](DirectoryOpened&& opened, std::vector<UniqueFd>&&) {
                         SftpFile folder;
                         folder.kind = FileKind::directory;
                         folder.broker_handle = opened.handle;
                         folder.path = path;
                         folder.grant = grant;
                         answer_handle(session, id, std::move(folder));
                       });
}

void SftpRequests::readdir(SftpSession& session, Task& task) {
  if (task.file->kind != FileKind::directory)
    return session.answer(task.id, SftpStatus::failure, "Not a directory's handle");
  read_names(session, task.id, *task.file);
}

void SftpRequests::read_names(SftpSession& session, uint32_t id, SftpFile& file) {
  if (!file.ahead.empty()) return answer_entries(session, id, file);
  file.ahead_memory.reset();
  if (file.last) return session.answer(id, SftpStatus::eof, "End of directory");
  file.ahead_memory = MemoryGrant::take(session.connection_.budget(), kEntriesBytes);
  const uint32_t most = file.ahead_memory ? kEntriesAtOnce : kFewEntries;
  ask<Entries>(session, id, ReadDirectory{file.broker_handle, most}, {&file},
               [&session, id, &file](Entries&& got, std::vector<UniqueFd>&&) {
                 std::move(got.entries.begin(), got.entries.end(), std::back_inserter(file.ahead));
                 file.last = got.last;
                 read_names(session, id, file);
               });
}

void SftpRequests::answer_entries(SftpSession& session, uint32_t id, SftpFile& file) {
  const int64_t now = ::time(nullptr);
  WireWriter names;
  uint32_t count = 0;
  while (!file.ahead.empty() && names.size() < kMaxSftpNames) {
    const DirectoryEntry& entry = file.ahead.front();
    names.string(entry.name).string(long_name(entry, now));
    write_attributes(names, entry.attributes);
    file.ahead.pop_front();
    ++count;
  }
  if (file.ahead.empty()) file.ahead_memory.reset();
  session.answer(packet_of(SftpType::name, id, WireWriter().u32(count).raw(names.view()).view()));
}

void SftpRequests::remove(SftpSession& session, Task& task) {
  WireReader reader(task.body);
  RemoveFile request{take_path(reader)};
  if (!reader.ok()) return refuse_malformed(session, task.id);
  ask_done(session, task.id, std::move(request));
}

void SftpRequests::mkdir(SftpSession& session, Task& task) {
  WireReader reader(task.body);
  std::string path = take_path(reader);
  const AttributeChange wanted = read_attributes(reader);
  if (!reader.ok()) return refuse_malformed(session, task.id);
  ask_done(session, task.id, MakeDirectory{std::move(path), wanted.mode.value_or(0777)});
}

void SftpRequests::rmdir(SftpSession& session, Task& task) {
  WireReader reader(task.body);
  RemoveDirectory request{take_path(reader)};
  if (!reader.ok()) return refuse_malformed(session, task.id);
  ask_done(session, task.id, std::move(request));
}

void SftpRequests::answer_name(SftpSession& session, uint32_t id, std::string_view path) {
  // Attributes without any: section 6.11 calls them dummies.
  session.answer(packet_of(SftpType::name, id, WireWriter().u32(1).string(path).string(path).u32(0).view()));
}

void SftpRequests::realpath(SftpSession& session, Task& task) {
  WireReader reader(task.body);
  ResolvePath request{take_path(reader)};
  if (!reader.ok()) return refuse_malformed(session, task.id);
  ask_name(session, task.id, std::move(request));
}

void SftpRequests::rename(SftpSession& session, Task& task) {
  WireReader reader(task.body);
  RenameFile request{take_path(reader), take_path(reader)};
  if (!reader.ok()) return refuse_malformed(session, task.id);
  ask_done(session, task.id, std::move(request));
}

void SftpRequests::readlink(SftpSession& session, Task& task) {
  WireReader reader(task.body);
  ReadSymlink request{take_path(reader)};
  if (!reader.ok()) return refuse_malformed(session, task.id);
  ask_name(session, task.id, std::move(request));
}

// The target comes first, as OpenSSH has it and all clients do since, against section 6.10.
void SftpRequests::symlink(SftpSession& session, Task& task) {
  WireReader reader(task.body);
  MakeSymlink request{take_path(reader), take_path(reader)};
  if (!reader.ok()) return refuse_malformed(session, task.id);
  ask_done(session, task.id, std::move(request));
}

}  // namespace sluice
