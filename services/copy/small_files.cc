// A chain of calls for each file; what is done here is done by the caller's thread.
#include "services/copy/small_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "services/transfer/late_errors.h"

namespace sluice {
namespace {

constexpr size_t kMostNamePart = 180;

struct SmallFile {
  CopyItem item;
  std::string temporary;
  SftpAttributes wanted;
  std::vector<uint8_t> content;
  std::vector<uint8_t> handle;
  size_t left = 0;
  std::optional<SftpFault> fault;
  bool done = false;
};

// The caller waits until all have ended.
class Batch {
 public:
  explicit Batch(size_t count) : left_(count) {}
  void end_one() {
    const std::lock_guard held(lock_);
    if (--left_ == 0) ended_.notify_all();
  }
  void wait() {
    std::unique_lock held(lock_);
    ended_.wait(held, [this] { return left_ == 0; });
  }

 private:
  std::mutex lock_;
  std::condition_variable ended_;
  size_t left_;
};

using File = std::shared_ptr<SmallFile>;
using Ended = std::function<void()>;

void note(SmallFile& file, SftpResult<void> result) {
  if (!result && !file.fault) file.fault = std::move(result.error());
}

SftpResult<void> done_of(SftpResult<SftpAnswer>&& answer) {
  if (!answer) return tl::unexpected<SftpFault>(std::move(answer.error()));
  return sftp_answer::done(*answer);
}

void put_in_place(SftpEngine& engine, const File& file, const Ended& ended) {
  if (file->fault) return engine.ask(sftp_call::remove(file->temporary), [ended](auto&&) { ended(); });
  // Without OpenSSH's extension it takes more than one call: the caller's thread does that.
  if (!engine.facts().has("posix-rename@openssh.com")) return ended();
  engine.ask(sftp_call::posix_rename(file->temporary, file->item.to), [file, ended](SftpResult<SftpAnswer> answer) {
    note(*file, done_of(std::move(answer)));
    file->done = !file->fault;
    ended();
  });
}

void put_data(SftpEngine& engine, const File& file, bool preserve, const Ended& ended) {
  const auto step = [&engine, file, ended](SftpResult<SftpAnswer> answer) {
    note(*file, done_of(std::move(answer)));
    if (--file->left > 0) return;
    engine.ask(sftp_call::close(file->handle), [&engine, file, ended](SftpResult<SftpAnswer> closed) {
      note(*file, done_of(std::move(closed)));
      if (file->fault && file->fault->kind == SftpFault::Kind::lost) return ended();
      put_in_place(engine, file, ended);
    });
  };
  // An empty file needs attributes or nothing; to set none is a step too.
  const bool data = !file->content.empty();
  const bool change = preserve || !data;
  file->left = (data ? 1u : 0u) + (change ? 1u : 0u);
  if (data) engine.ask(sftp_call::write(file->handle, 0, file->content), step);
  if (change) engine.ask(sftp_call::fsetstat(file->handle, preserve ? file->wanted : SftpAttributes{}), step);
}

void put_file(SftpEngine& engine, const File& file, bool preserve, const Ended& ended) {
  SftpAttributes mode;
  mode.mode = file->wanted.mode;
  engine.ask(sftp_call::open(file->temporary, kSftpWrite | kSftpCreate | kSftpTruncate, mode),
             [&engine, file, preserve, ended](SftpResult<SftpAnswer> answer) {
               auto handle = answer ? sftp_answer::handle(*answer) : tl::unexpected<SftpFault>(answer.error());
               if (!handle) return note(*file, about(file->item.to, std::move(handle.error()))), ended();
               file->handle = std::move(*handle);
               put_data(engine, file, preserve, ended);
             });
}

// One byte more than there should be, so that a file that grew shows.
void get_data(SftpEngine& engine, const File& file, const Ended& ended) {
  const uint64_t size = file->item.facts.size.value_or(0);
  const auto length = static_cast<uint32_t>(size + 1 - file->content.size());
  engine.ask(sftp_call::read(file->handle, file->content.size(), length), [&engine, file, size, length,
                                                                           ended](SftpResult<SftpAnswer> answer) {
    auto data = answer ? sftp_answer::data(*answer) : tl::unexpected<SftpFault>(answer.error());
    const bool end = !data && data.error().kind == SftpFault::Kind::refused && data.error().status == SftpStatus::eof;
    if (data && !data->empty() && data->size() <= length) {
      file->content.insert(file->content.end(), data->begin(), data->end());
      if (file->content.size() < size) return get_data(engine, file, ended);
    } else if (!end) {
      note(*file, data ? sftp_fault(SftpFault::Kind::protocol, "Data of a wrong length")
                       : tl::unexpected<SftpFault>(std::move(data.error())));
    }
    if (!file->fault && file->content.size() != size)
      note(*file, sftp_fault(SftpFault::Kind::changed,
                             "The file changed while it was read, or its size was "
                             "never true"));
    engine.ask(sftp_call::close(file->handle), [ended](auto&&) { ended(); });
  });
}

void get_file(SftpEngine& engine, const File& file, const Ended& ended) {
  engine.ask(sftp_call::open(file->item.from, kSftpRead), [&engine, file, ended](SftpResult<SftpAnswer> answer) {
    auto handle = answer ? sftp_answer::handle(*answer) : tl::unexpected<SftpFault>(answer.error());
    if (!handle) return note(*file, tl::unexpected<SftpFault>(std::move(handle.error()))), ended();
    file->handle = std::move(*handle);
    get_data(engine, file, ended);
  });
}

SftpResult<void> read_local(const CopyPlan& plan, SmallFile& file) {
  auto opened = plan.local_source().open(file.item.from, O_RDONLY | O_NONBLOCK);
  if (!opened) return tl::unexpected<SftpFault>(std::move(opened.error()));
  const int descriptor = (*opened)->get();
  const uint64_t size = file.item.facts.size.value_or(0);
  file.content.resize(size + 1);
  size_t got = 0;
  while (got < file.content.size()) {
    const ssize_t n =
        ::pread(descriptor, file.content.data() + got, file.content.size() - got, static_cast<off_t>(got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return local_fault(fit_for_terminal(file.item.from), errno);
    if (n == 0) break;
    got += static_cast<size_t>(n);
  }
  struct stat now;
  const bool same = ::fstat(descriptor, &now) == 0 &&
                    static_cast<uint32_t>(now.st_mtim.tv_sec) == file.item.facts.times.value_or(SftpTimes{}).modified;
  if (got != size || !same) return sftp_fault(SftpFault::Kind::changed, "The file changed while it was read");
  file.content.resize(size);
  return {};
}

SftpResult<void> write_local(const CopyPlan& plan, SmallFile& file) {
  LocalSide& side = plan.local_target();
  auto opened = side.open(file.temporary, O_WRONLY | O_CREAT | O_TRUNC);
  if (!opened) return tl::unexpected<SftpFault>(std::move(opened.error()));
  const int descriptor = (*opened)->get();
  for (size_t at = 0; at < file.content.size();) {
    const ssize_t n = ::write(descriptor, file.content.data() + at, file.content.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const int error = n < 0 ? errno : EIO;
      (void)side.remove(file.temporary);
      return local_fault(fit_for_terminal(file.item.to), error);
    }
    at += static_cast<size_t>(n);
  }
  auto changed = change_file(descriptor, file.wanted);
  if (!changed) return changed;
  if (!closes_well(descriptor)) {
    const int error = errno;
    (void)side.remove(file.temporary);
    return local_fault(fit_for_terminal(file.item.to), error);
  }
  return side.replace(file.temporary, file.item.to);
}

void tell(const CopyPlan& plan, const SmallFile& file) {
  const uint64_t size = file.item.facts.size.value_or(0);
  if (file.done) {
    plan.counts.bytes_done += size;
    ++plan.counts.files_done;
    return plan.listener.on_done(file.item.shown, size, false);
  }
  ++plan.counts.files_failed;
  plan.listener.on_fault(file.item.shown, file.fault.value_or(SftpFault{}));
}

}  // namespace

SourceFacts source_facts(const CopyPlan& plan, const CopyItem& item) {
  return {item.facts.size.value_or(0), item.facts.times.value_or(SftpTimes{}).modified, plan.source_name + item.from};
}

std::string temporary_name(const CopyItem& item, const SourceFacts& facts) {
  std::string name(".");
  name.append(name_of(item.to).substr(0, kMostNamePart)).append(".").append(facts.mark()).append(".part");
  return join_path(std::string(folder_of(item.to)), name);
}

uint32_t mode_mask() {
  static const uint32_t mask = [] {
    const mode_t was = ::umask(0);
    ::umask(was);
    return was;
  }();
  return mask;
}

SftpAttributes wanted_attributes(const CopyPlan& plan, const CopyItem& item) {
  SftpAttributes wanted;
  const uint32_t mode = item.facts.mode.value_or(0644);
  wanted.mode = plan.options.preserve ? mode & 07777u : mode & 0777u;
  if (!plan.options.preserve && !plan.target.remote()) wanted.mode = *wanted.mode & ~mode_mask();
  if (plan.options.preserve) wanted.times = item.facts.times;
  return wanted;
}

size_t small_files_at_once(const CopyPlan& plan, size_t threads) {
  RemoteSide* side = plan.target.remote() ? plan.target.remote() : plan.source.remote();
  const auto facts = side->client()->wait_limits();
  const uint64_t handles = facts ? facts->most_handles : 0;
  // A server that does not tell may have few.
  return handles == 0 ? kMostSmallFiles / 2 : std::clamp<size_t>(handles / (2 * threads), 1, kMostSmallFiles);
}

bool is_small(const CopyPlan& plan, const CopyItem& item) {
  const bool relayed = plan.source.remote() && plan.target.remote();
  return !relayed && !item.in_place && !plan.options.verify && !plan.options.limit &&
         item.facts.size.value_or(0) < kMostSmallFile;
}

void copy_small_files(const CopyPlan& plan, std::vector<CopyItem> items) {
  const bool put = plan.target.remote() != nullptr;
  std::vector<File> files;
  for (CopyItem& item : items) {
    auto file = std::make_shared<SmallFile>();
    file->temporary = temporary_name(item, source_facts(plan, item));
    file->wanted = wanted_attributes(plan, item);
    file->item = std::move(item);
    if (put) note(*file, read_local(plan, *file));
    files.push_back(std::move(file));
  }
  std::vector<File> moving;
  for (const File& file : files) {
    if (!file->fault) moving.push_back(file);
  }
  auto batch = std::make_shared<Batch>(moving.size());
  const bool preserve = plan.options.preserve;
  const auto client = (put ? plan.target : plan.source).remote()->client();
  if (!moving.empty()) {
    client->post([moving, batch, put, preserve, client](SftpEngine* engine) {
      for (const File& file : moving) {
        const Ended ended = [batch] { batch->end_one(); };
        if (!engine) {
          file->fault = client->why_gone();
          ended();
        } else if (put) {
          put_file(*engine, file, preserve, ended);
        } else {
          get_file(*engine, file, ended);
        }
      }
    });
    batch->wait();
  }
  for (const File& file : files) {
    if (!file->fault && !file->done) {
      note(*file, put ? plan.target.replace(file->temporary, file->item.to) : write_local(plan, *file));
      file->done = !file->fault;
    }
    tell(plan, *file);
  }
}

}  // namespace sluice
