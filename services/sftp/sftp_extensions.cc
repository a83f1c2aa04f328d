// OpenSSH's extensions (its PROTOCOL, section 4), copy-data, home-directory and check-file.
#include "services/sftp/sftp_requests.h"

namespace sluice {
namespace {

// Names of one question; the broker's answer is one packet.
constexpr size_t kMaxIds = 1024;

std::string take_path(WireReader& reader) { return std::string(reader.text()); }

std::vector<uint32_t> take_ids(WireReader& reader) {
  WireReader list(reader.string());
  std::vector<uint32_t> ids;
  while (!list.at_end() && list.ok() && ids.size() <= kMaxIds) ids.push_back(list.u32());
  if (!list.ok() || ids.size() > kMaxIds) reader.raw(SIZE_MAX);
  return ids;
}

std::vector<uint8_t> list_of(const std::vector<std::string>& names) {
  WireWriter writer;
  for (const std::string& name : names) writer.string(name);
  return writer.take();
}

CheckFile take_check(WireReader& reader) {
  CheckFile check;
  check.algorithms = std::string(reader.text());
  check.offset = reader.u64();
  check.length = reader.u64();
  check.block = reader.u32();
  return check;
}

constexpr SftpEffect kLooks = SftpEffect::looks;
constexpr SftpEffect kChanges = SftpEffect::changes;

constexpr std::array<SftpRequest, 31> kRequests{{
    {SftpType::open, {}, {}, 0, kLooks, SftpRequests::open},
    {SftpType::close, {}, {}, 1, kLooks, SftpRequests::close},
    {SftpType::read, {}, {}, 1, kLooks, nullptr},
    {SftpType::lstat, {}, {}, 0, kLooks, SftpRequests::stat},
    {SftpType::fstat, {}, {}, 1, kLooks, SftpRequests::fstat},
    {SftpType::setstat, {}, {}, 0, kChanges, SftpRequests::setstat},
    {SftpType::fsetstat, {}, {}, 1, kChanges, SftpRequests::fsetstat},
    {SftpType::opendir, {}, {}, 0, kLooks, SftpRequests::opendir},
    {SftpType::readdir, {}, {}, 1, kLooks, SftpRequests::readdir},
    {SftpType::remove, {}, {}, 0, kChanges, SftpRequests::remove},
    {SftpType::mkdir, {}, {}, 0, kChanges, SftpRequests::mkdir},
    {SftpType::rmdir, {}, {}, 0, kChanges, SftpRequests::rmdir},
    {SftpType::realpath, {}, {}, 0, kLooks, SftpRequests::realpath},
    {SftpType::stat, {}, {}, 0, kLooks, SftpRequests::stat},
    {SftpType::rename, {}, {}, 0, kChanges, SftpRequests::rename, 2},
    {SftpType::readlink, {}, {}, 0, kLooks, SftpRequests::readlink},
    {SftpType::symlink, {}, {}, 0, kChanges, SftpRequests::symlink, 2},
    {SftpType::extended, "posix-rename@openssh.com", "1", 0, kChanges, SftpRequests::posix_rename, 2},
    {SftpType::extended, "statvfs@openssh.com", "2", 0, kLooks, SftpRequests::statvfs},
    {SftpType::extended, "fstatvfs@openssh.com", "2", 1, kLooks, SftpRequests::fstatvfs},
    {SftpType::extended, "hardlink@openssh.com", "1", 0, kChanges, SftpRequests::hardlink, 2},
    {SftpType::extended, "fsync@openssh.com", "1", 1, kLooks, SftpRequests::fsync},
    {SftpType::extended, "lsetstat@openssh.com", "1", 0, kChanges, SftpRequests::lsetstat},
    {SftpType::extended, "limits@openssh.com", "1", 0, kLooks, SftpRequests::limits, 0},
    {SftpType::extended, "expand-path@openssh.com", "1", 0, kLooks, SftpRequests::expand_path},
    {SftpType::extended, "copy-data", "1", 2, kChanges, SftpRequests::copy_data},
    {SftpType::extended, "home-directory", "1", 0, kLooks, SftpRequests::home_directory},
    {SftpType::extended, "users-groups-by-id@openssh.com", "1", 0, kLooks, SftpRequests::names_of_ids, 0},
    // By its own name it is announced, and asked by some with a handle.
    {SftpType::extended, "check-file", "1", 1, kLooks, SftpRequests::check_handle},
    {SftpType::extended, "check-file-handle", {}, 1, kLooks, SftpRequests::check_handle},
    {SftpType::extended, "check-file-name", {}, 0, kLooks, SftpRequests::check_name},
}};

}  // namespace

const SftpRequest* SftpRequests::find(SftpType type, std::string_view extension) {
  for (const SftpRequest& request : kRequests) {
    if (request.type == type && request.extension == extension) return &request;
  }
  return nullptr;
}

std::string_view SftpRequest::operation() const {
  switch (type) {
    case SftpType::open: return "open";
    case SftpType::close: return "close";
    case SftpType::lstat: return "lstat";
    case SftpType::fstat: return "fstat";
    case SftpType::setstat: return "setstat";
    case SftpType::fsetstat: return "fsetstat";
    case SftpType::opendir: return "opendir";
    case SftpType::readdir: return "readdir";
    case SftpType::remove: return "remove";
    case SftpType::mkdir: return "mkdir";
    case SftpType::rmdir: return "rmdir";
    case SftpType::realpath: return "realpath";
    case SftpType::stat: return "stat";
    case SftpType::rename: return "rename";
    case SftpType::readlink: return "readlink";
    case SftpType::symlink: return "symlink";
    default: return extension.substr(0, extension.find('@'));
  }
}

std::vector<uint8_t> SftpRequests::version_packet() {
  WireWriter writer;
  for (const SftpRequest& request : kRequests) {
    if (!request.version.empty()) writer.string(request.extension).string(request.version);
  }
  return packet_of(SftpType::version, kSftpVersion, writer.view());
}

void SftpRequests::posix_rename(SftpSession& session, Task& task) {
  WireReader reader(task.body);
  ReplaceFile request{take_path(reader), take_path(reader)};
  if (!reader.ok()) return refuse_malformed(session, task.id);
  ask_done(session, task.id, std::move(request));
}

void SftpRequests::answer_filesystem(SftpSession& session, uint32_t id, const FilesystemFacts& facts) {
  WireWriter writer;
  writer.u64(facts.block_size).u64(facts.fragment_size).u64(facts.blocks).u64(facts.free_blocks);
  writer.u64(facts.available_blocks).u64(facts.files).u64(facts.free_files).u64(facts.available_files);
  // Of the flags OpenSSH defines ST_RDONLY and ST_NOSUID, with Linux's values.
  writer.u64(facts.id).u64(facts.flags & 3).u64(facts.longest_name);
  session.answer(packet_of(SftpType::extended_reply, id, writer.view()));
}

void SftpRequests::statvfs(SftpSession& session, Task& task) {
  WireReader reader(task.body);
  StatFilesystem request{take_path(reader)};
  if (!reader.ok()) return refuse_malformed(session, task.id);
  ask<Filesystem>(session, task.id, std::move(request), {},
                  [&session, id = task.id](Filesystem&& found, std::vector<UniqueFd>&&) {
                    answer_filesystem(session, id, found.facts);
                  });
}

void SftpRequests::fstatvfs(SftpSession& session, Task& task) {
  ask<Filesystem>(session, task.id, StatFilesystemOf{task.file->broker_handle}, {task.file},
                  [&session, id = task.id](Filesystem&& found, std::vector<UniqueFd>&&) {
                    answer_filesystem(session, id, found.facts);
                  });
}

void SftpRequests::hardlink(SftpSession& session, Task& task) {
  WireReader reader(task.body);
  MakeHardlink request{take_path(reader), take_path(reader)};
  if (!reader.ok()) return refuse_malformed(session, task.id);
  ask_done(session, task.id, std::move(request));
}

void SftpRequests::fsync(SftpSession& session, Task& task) {
  ask_done(session, task.id, SyncFile{task.file->broker_handle}, {task.file});
}

void SftpRequests::lsetstat(SftpSession& session, Task& task) {
  WireReader reader(task.body);
  std::string path = take_path(reader);
  const AttributeChange change = read_attributes(reader);
  if (!reader.ok()) return refuse_malformed(session, task.id);
  ask_done(session, task.id, ChangePath{std::move(path), false, change});
}

void SftpRequests::limits(SftpSession& session, Task& task) {
  WireWriter writer;
  writer.u64(kMaxSftpPacket).u64(kMaxSftpData).u64(kMaxSftpData).u64(session.connection_.settings().sftp.user.handles);
  session.answer(packet_of(SftpType::extended_reply, task.id, writer.view()));
}

void SftpRequests::expand_path(SftpSession& session, Task& task) {
  WireReader reader(task.body);
  ExpandPath request{take_path(reader)};
  if (!reader.ok()) return refuse_malformed(session, task.id);
  ask_name(session, task.id, std::move(request));
}

// draft-ietf-secsh-filexfer-extensions-00 section 7.
void SftpRequests::copy_data(SftpSession& session, Task& task) {
  WireReader reader(task.body);
  CopyData request;
  request.from = task.file->broker_handle;
  request.from_offset = reader.u64();
  request.length = reader.u64();
  reader.string();  // the other handle, looked up when it came
  request.to = task.other->broker_handle;
  request.to_offset = reader.u64();
  if (!reader.ok()) return refuse_malformed(session, task.id);
  ask_done(session, task.id, request, {task.file, task.other});
}

void SftpRequests::home_directory(SftpSession& session, Task& task) {
  WireReader reader(task.body);
  FindHome request{take_path(reader)};
  if (!reader.ok()) return refuse_malformed(session, task.id);
  ask_name(session, task.id, std::move(request));
}

void SftpRequests::names_of_ids(SftpSession& session, Task& task) {
  WireReader reader(task.body);
  NameIds request{take_ids(reader), take_ids(reader)};
  if (!reader.ok()) return refuse_malformed(session, task.id);
  ask<Names>(session, task.id, std::move(request), {},
             [&session, id = task.id](Names&& names, std::vector<UniqueFd>&&) {
               const WireWriter writer = WireWriter().string(list_of(names.users)).string(list_of(names.groups));
               session.answer(packet_of(SftpType::extended_reply, id, writer.view()));
             });
}

// draft-ietf-secsh-filexfer-extensions-00 section 3.
void SftpRequests::answer_hashes(SftpSession& session, uint32_t id, const Hashes& hashes) {
  const WireWriter writer = WireWriter().string("check-file").string(hashes.algorithm).raw(hashes.hashes);
  session.answer(packet_of(SftpType::extended_reply, id, writer.view()));
}

void SftpRequests::check_handle(SftpSession& session, Task& task) {
  WireReader reader(task.body);
  CheckFile check = take_check(reader);
  if (!reader.ok()) return refuse_malformed(session, task.id);
  if (!task.file->readable) return session.answer(task.id, SftpStatus::permission_denied, "Not open for reading");
  check.handle = task.file->broker_handle;
  ask<Hashes>(
      session, task.id, std::move(check), {task.file},
      [&session, id = task.id](Hashes&& hashes, std::vector<UniqueFd>&&) { answer_hashes(session, id, hashes); });
}

// Opened, hashed and closed again. The descriptor that comes along is not needed; closing it may wait for whoever
// serves its file system.
void SftpRequests::check_name(SftpSession& session, Task& task) {
  WireReader reader(task.body);
  std::string path = take_path(reader);
  const CheckFile check = take_check(reader);
  if (!reader.ok()) return refuse_malformed(session, task.id);
  auto grant = HandleGrant::take(session.connection_.budget());
  if (!grant) return session.refuse(task.id, SftpStatus::failure, "Too many open files");
  if (FileIoPool::shared().owes_closes(session.owner()))
    return session.refuse(task.id, SftpStatus::failure, kOwesCloses);
  ask<FileOpened>(session, task.id, OpenFile{std::move(path), kOpenRead, 0}, {},
                  [&session, id = task.id, check, grant](FileOpened&& opened, std::vector<UniqueFd>&& given) {
                    for (UniqueFd& file : given) FileIoPool::shared().close(std::move(file), session.owner());
                    CheckFile request = check;
                    request.handle = opened.handle;
                    ask<Hashes>(session, id, std::move(request), {},
                                [&session, id, grant](Hashes&& hashes, std::vector<UniqueFd>&&) {
                                  answer_hashes(session, id, hashes);
                                });
                    // What runs aside has a descriptor of its own.
                    session.connection_.broker().tell(CloseHandle{opened.handle});
                  });
}

}  // namespace sluice
