// Calls of RemoteFiles, and the names of local folders.
#include "apps/sluice/sftp/remote_files.h"

#include <dirent.h>
#include <sys/stat.h>

#include <cstdio>

namespace sluice {
namespace {

// A mailbox is looked at so often, should nothing come.
constexpr int kLookMs = 1000;

}  // namespace

bool is_suspect_name(std::string_view name) {
  return name.empty() || name == "." || name == ".." || name.find('/') != std::string_view::npos ||
         name.find('\0') != std::string_view::npos;
}

SftpResult<SftpAnswer> RemoteFiles::ask(SftpCall call) {
  if (interrupted_()) return sftp_fault(SftpFault::Kind::cancelled, "Interrupted");
  return client_->ask(std::move(call));
}

SftpResult<std::string> RemoteFiles::absolute(const std::string& path) {
  if (!path.starts_with('~')) return from_folder(path);
  const size_t slash = std::min(path.find('/'), path.size());
  SftpCall call = sftp_call::expand_path(path);
  if (facts_.has("home-directory"))
    call = sftp_call::home_directory(path.substr(1, slash - 1));
  else if (!facts_.has("expand-path@openssh.com"))
    return from_folder(path);
  const bool whole = !facts_.has("home-directory");
  const auto answer = ask(std::move(call));
  if (!answer) return tl::unexpected<SftpFault>(answer.error());
  auto expanded = sftp_answer::path(*answer);
  if (!expanded) return expanded;
  return whole ? *expanded : *expanded + path.substr(slash);
}

SftpResult<SftpAttributes> RemoteFiles::stat(const std::string& path) {
  return ask(sftp_call::stat(path)).and_then(sftp_answer::attributes);
}

SftpResult<SftpAttributes> RemoteFiles::lstat(const std::string& path) {
  return ask(sftp_call::lstat(path)).and_then(sftp_answer::attributes);
}

SftpResult<std::string> RemoteFiles::realpath(const std::string& path) {
  return ask(sftp_call::realpath(path)).and_then(sftp_answer::path);
}

SftpResult<std::string> RemoteFiles::readlink(const std::string& path) {
  return ask(sftp_call::readlink(path)).and_then(sftp_answer::path);
}

SftpResult<void> RemoteFiles::change(SftpCall call) { return ask(std::move(call)).and_then(sftp_answer::done); }

SftpResult<std::vector<uint8_t>> RemoteFiles::open(const std::string& path, uint32_t flags,
                                                   const SftpAttributes& wanted) {
  return ask(sftp_call::open(path, flags, wanted)).and_then(sftp_answer::handle);
}

void RemoteFiles::forget(std::vector<uint8_t> handle) {
  client_->post([handle = std::move(handle)](SftpEngine* engine) {
    if (engine) engine->ask(sftp_call::close(handle), [](SftpResult<SftpAnswer>) {});
  });
}

RemoteFiles::Opened RemoteFiles::look_and_open(const std::string& path, uint32_t flags, const SftpAttributes& wanted) {
  if (interrupted_()) {
    const auto fault = sftp_fault(SftpFault::Kind::cancelled, "Interrupted");
    return {fault, fault};
  }
  const auto mailbox = std::make_shared<Mailbox>();
  std::optional<SftpResult<SftpAnswer>> looked, opened;
  client_->ask(sftp_call::stat(path), mailbox, [&](SftpResult<SftpAnswer> answer) { looked = std::move(answer); });
  client_->ask(sftp_call::open(path, flags, wanted), mailbox,
               [&](SftpResult<SftpAnswer> answer) { opened = std::move(answer); });
  while (!looked || !opened) mailbox->run(kLookMs);
  return {looked->and_then(sftp_answer::attributes), opened->and_then(sftp_answer::handle)};
}

SftpResult<void> RemoteFiles::list(const std::string& path, const Take& take) {
  const auto handle = ask(sftp_call::opendir(path)).and_then(sftp_answer::handle);
  if (!handle) return tl::unexpected<SftpFault>(handle.error());
  size_t count = 0, bytes = 0;
  SftpResult<void> result;
  for (bool more = true; more;) {
    auto names = ask(sftp_call::readdir(*handle)).and_then(sftp_answer::names);
    if (!names) {
      result = tl::unexpected<SftpFault>(names.error());
      break;
    }
    if (!*names) break;
    for (SftpName& name : **names) {
      bytes += name.name.size() + name.long_name.size();
      if (++count > kMaxNamesOfFolder || bytes > kMaxBytesOfFolder) {
        result = sftp_fault(SftpFault::Kind::protocol, "more names than a folder may have: gave up");
        more = false;
        break;
      }
      if (name.name != "." && name.name != ".." && is_suspect_name(name.name)) {
        std::fprintf(stderr, "Server sent suspect path \"%s\" during readdir of \"%s\"\n",
                     fit_for_terminal(name.name).c_str(), fit_for_terminal(path).c_str());
        continue;
      }
      if (!take(std::move(name))) {
        more = false;
        break;
      }
    }
  }
  (void)client_->ask(sftp_call::close(*handle));
  return result;
}

SftpResult<void> RemoteFiles::rename(const std::string& from, const std::string& to, bool plain) {
  const bool posix = !plain && facts_.has("posix-rename@openssh.com");
  return change(posix ? sftp_call::posix_rename(from, to) : sftp_call::rename(from, to));
}

SftpResult<void> RemoteFiles::copy(const std::string& from, const std::string& to) {
  if (!facts_.has("copy-data")) {
    return sftp_fault(SftpFault::Kind::refused, "the server does not copy files: get and put it instead");
  }
  const auto attributes = stat(from);
  if (!attributes) return tl::unexpected<SftpFault>(attributes.error());
  if (attributes->mode && !attributes->is_regular()) {
    return sftp_fault(SftpFault::Kind::refused, "not a regular file");
  }
  const auto source = open(from, kSftpRead);
  if (!source) return tl::unexpected<SftpFault>(source.error());
  SftpAttributes wanted;
  if (attributes->mode) wanted.mode = *attributes->mode & 0777;
  const auto target = open(to, kSftpWrite | kSftpCreate | kSftpTruncate, wanted);
  SftpResult<void> done;
  if (!target)
    done = tl::unexpected<SftpFault>(target.error());
  else
    done = change(sftp_call::copy_data(*source, 0, 0, *target, 0));
  (void)client_->ask(sftp_call::close(*source));
  if (target) (void)client_->ask(sftp_call::close(*target));
  return done;
}

SftpResult<SftpFilesystem> RemoteFiles::filesystem(const std::string& path) {
  if (!facts_.has("statvfs@openssh.com")) {
    return sftp_fault(SftpFault::Kind::refused, "Server does not support statvfs@openssh.com extension");
  }
  return ask(sftp_call::statvfs(path)).and_then(sftp_answer::filesystem);
}

SftpResult<SftpIdNames> RemoteFiles::owner_names(const std::vector<uint32_t>& users,
                                                 const std::vector<uint32_t>& groups) {
  return ask(sftp_call::names_of_ids(users, groups)).and_then(sftp_answer::names_of_ids);
}

std::vector<NameSource::Name> RemoteFiles::names(const std::string& folder) {
  std::vector<Name> out;
  (void)list(folder.empty() ? from_folder(".") : from_folder(folder), [&](SftpName&& name) {
    if (name.name != "." && name.name != "..") out.push_back({std::move(name.name), name.attributes.is_directory()});
    return out.size() < kMaxGlobMatches;
  });
  return out;
}

bool RemoteFiles::is_folder(const std::string& path) {
  const auto attributes = stat(from_folder(path));
  return attributes && attributes->is_directory();
}

std::vector<NameSource::Name> LocalNames::names(const std::string& folder) {
  std::vector<Name> out;
  DIR* directory = ::opendir(folder.empty() ? "." : folder.c_str());
  if (!directory) return out;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") out.push_back({std::string(name), entry->d_type == DT_DIR});
  }
  ::closedir(directory);
  return out;
}

bool LocalNames::exists(const std::string& path) {
  struct stat facts {};
  return ::lstat(path.c_str(), &facts) == 0;
}

bool LocalNames::is_folder(const std::string& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode);
}

}  // namespace sluice
