// Encodings of draft-ietf-secsh-filexfer-02 sections 4 to 7, from the client's side.
#include "services/sftp_client/sftp_messages.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

namespace sluice {
namespace {

// A server that sends more has something else in mind.
constexpr uint32_t kMostExtended = 64;
constexpr size_t kMostExtensions = 256;
constexpr size_t kMostHashes = 1 << 20;

SftpAttributes read_attributes_of(WireReader& reader) {
  SftpAttributes found;
  const uint32_t flags = reader.u32();
  if (flags & kAttributeSize) found.size = reader.u64();
  if (flags & kAttributeOwner) {
    const uint32_t uid = reader.u32();
    found.owner = SftpOwner{uid, reader.u32()};
  }
  if (flags & kAttributeMode) found.mode = reader.u32();
  if (flags & kAttributeTimes) {
    const uint32_t accessed = reader.u32();
    found.times = SftpTimes{accessed, reader.u32()};
  }
  if (flags & kAttributeExtended) {
    const uint32_t count = reader.u32();
    for (uint32_t i = 0; i < std::min(count, kMostExtended) && reader.ok(); ++i) reader.string(), reader.string();
    if (count > kMostExtended) reader.raw(SIZE_MAX);
  }
  return found;
}

void write_attributes_of(WireWriter& writer, const SftpAttributes& wanted) {
  writer.u32((wanted.size ? kAttributeSize : 0u) | (wanted.owner ? kAttributeOwner : 0u) |
             (wanted.mode ? kAttributeMode : 0u) | (wanted.times ? kAttributeTimes : 0u));
  if (wanted.size) writer.u64(*wanted.size);
  if (wanted.owner) writer.u32(wanted.owner->uid).u32(wanted.owner->gid);
  if (wanted.mode) writer.u32(*wanted.mode);
  if (wanted.times) writer.u32(wanted.times->accessed).u32(wanted.times->modified);
}

SftpCall with_attributes(SftpType type, WireWriter&& writer, const SftpAttributes& wanted) {
  write_attributes_of(writer, wanted);
  return {type, writer.take()};
}

SftpCall extended(std::string_view name, const WireWriter& body) {
  return {SftpType::extended, WireWriter().string(name).raw(body.view()).take()};
}

std::string_view words_of(SftpStatus status) {
  switch (status) {
    case SftpStatus::ok: return "Success";
    case SftpStatus::eof: return "End of file";
    case SftpStatus::no_such_file: return "No such file or directory";
    case SftpStatus::permission_denied: return "Permission denied";
    case SftpStatus::failure: return "Failure";
    case SftpStatus::bad_message: return "Bad message";
    case SftpStatus::op_unsupported: return "Operation unsupported";
  }
  return "Unknown failure";
}

// OpenSSH's texts only repeat the code.
bool says_no_more(std::string_view text) { return text.empty() || text == "Failure" || text == "Success"; }

tl::unexpected<SftpFault> nonsense() {
  return sftp_fault(SftpFault::Kind::protocol, "The server's answer makes no sense (malformed SFTP packet)");
}

// Of a STATUS packet: always a fault, to whoever wanted more.
tl::unexpected<SftpFault> refusal(const SftpAnswer& answer) {
  if (answer.type != SftpType::status) return nonsense();
  WireReader reader(answer.body);
  const auto code = static_cast<SftpStatus>(reader.u32());
  if (!reader.ok()) return nonsense();
  // Old servers leave the text out.
  const std::string_view text = reader.at_end() ? std::string_view() : reader.text();
  SftpFault fault;
  fault.status = code;
  fault.text = says_no_more(text) ? std::string(words_of(code)) : fit_for_terminal(text, 256);
  return tl::unexpected<SftpFault>(std::move(fault));
}

size_t utf8_length(std::string_view rest) {
  const auto lead = static_cast<unsigned char>(rest[0]);
  const size_t n = lead >= 0xf0 && lead <= 0xf4 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 0;
  if (n == 0 || lead > 0xf4 || n > rest.size()) return 0;
  for (size_t i = 1; i < n; ++i) {
    if ((static_cast<unsigned char>(rest[i]) & 0xc0) != 0x80) return 0;
  }
  // C1 controls, surrogates and overlong forms; marks that turn the direction of a line.
  const auto second = static_cast<unsigned char>(rest[1]);
  if (lead == 0xc2 && second < 0xa0) return 0;
  if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second >= 0xa0) || (lead == 0xf0 && second < 0x90) ||
      (lead == 0xf4 && second >= 0x90))
    return 0;
  const bool turns =
      lead == 0xe2 &&
      ((second == 0x80 && static_cast<unsigned char>(rest[2]) >= 0xaa && static_cast<unsigned char>(rest[2]) <= 0xae) ||
       (second == 0x81 && static_cast<unsigned char>(rest[2]) >= 0xa6 && static_cast<unsigned char>(rest[2]) <= 0xa9));
  return turns ? 0 : n;
}

}  // namespace

std::string fit_for_terminal(std::string_view text, size_t most) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    if (out.size() >= most) return out + "...";
    const auto byte = static_cast<unsigned char>(text[at]);
    const size_t n = byte < 0x80 ? (byte >= 0x20 && byte != 0x7f ? 1 : 0) : utf8_length(text.substr(at));
    if (n > 0) {
      out += text.substr(at, n);
      at += n;
      continue;
    }
    std::array<char, 5> escape{};
    std::snprintf(escape.data(), escape.size(), "\\%03o", byte);
    out += escape.data();
    ++at;
  }
  return out;
}

tl::unexpected<SftpFault> sftp_fault(SftpFault::Kind kind, std::string text) {
  SftpFault fault;
  fault.kind = kind;
  fault.text = std::move(text);
  return tl::unexpected<SftpFault>(std::move(fault));
}

tl::unexpected<SftpFault> local_fault(std::string_view what, int error) {
  SftpFault fault;
  fault.kind = SftpFault::Kind::local;
  fault.error = error;
  std::array<char, 128> words{};
  fault.text =
      std::string(what).append(what.empty() ? "" : ": ").append(::strerror_r(error, words.data(), words.size()));
  return tl::unexpected<SftpFault>(std::move(fault));
}

SftpResult<SftpServerFacts> read_version(uint32_t version, Bytes body) {
  if (version != kSftpVersion)
    return sftp_fault(SftpFault::Kind::protocol,
                      "The server speaks SFTP version " + std::to_string(version) + ", this client version 3 only");
  SftpServerFacts facts;
  WireReader reader(body);
  while (!reader.at_end() && facts.extensions.size() < kMostExtensions) {
    std::string name(reader.text());
    std::string value(reader.text());
    if (!reader.ok()) return nonsense();
    facts.extensions.emplace(std::move(name), std::move(value));
  }
  return facts;
}

void SftpServerFacts::learn_software(std::string_view software) {
  const bool ours = software.starts_with("Sluice_");
  // Another program may answer for SFTP behind OpenSSH's server: it would have to know all of its extensions.
  const bool openssh = software.starts_with("OpenSSH_") && has("fsync@openssh.com") && has("hardlink@openssh.com") &&
                       has("lsetstat@openssh.com");
  ordered = ours || openssh;
  opens_at_once = ours;
  // Everybody else follows OpenSSH's order of the names.
  link_first = software.starts_with("AsyncSSH");
}

namespace sftp_call {

SftpCall open(std::string_view path, uint32_t flags, const SftpAttributes& wanted) {
  return with_attributes(SftpType::open, std::move(WireWriter().string(path).u32(flags)), wanted);
}
SftpCall close(Bytes handle) { return {SftpType::close, WireWriter().string(handle).take()}; }
SftpCall stat(std::string_view path) { return {SftpType::stat, WireWriter().string(path).take()}; }
SftpCall lstat(std::string_view path) { return {SftpType::lstat, WireWriter().string(path).take()}; }
SftpCall fstat(Bytes handle) { return {SftpType::fstat, WireWriter().string(handle).take()}; }
SftpCall setstat(std::string_view path, const SftpAttributes& wanted) {
  return with_attributes(SftpType::setstat, std::move(WireWriter().string(path)), wanted);
}
SftpCall fsetstat(Bytes handle, const SftpAttributes& wanted) {
  return with_attributes(SftpType::fsetstat, std::move(WireWriter().string(handle)), wanted);
}
SftpCall opendir(std::string_view path) { return {SftpType::opendir, WireWriter().string(path).take()}; }
SftpCall readdir(Bytes handle) { return {SftpType::readdir, WireWriter().string(handle).take()}; }
SftpCall remove(std::string_view path) { return {SftpType::remove, WireWriter().string(path).take()}; }
SftpCall mkdir(std::string_view path, const SftpAttributes& wanted) {
  return with_attributes(SftpType::mkdir, std::move(WireWriter().string(path)), wanted);
}
SftpCall rmdir(std::string_view path) { return {SftpType::rmdir, WireWriter().string(path).take()}; }
SftpCall realpath(std::string_view path) { return {SftpType::realpath, WireWriter().string(path).take()}; }
SftpCall rename(std::string_view from, std::string_view to) {
  return {SftpType::rename, WireWriter().string(from).string(to).take()};
}
SftpCall readlink(std::string_view path) { return {SftpType::readlink, WireWriter().string(path).take()}; }
SftpCall symlink(std::string_view target, std::string_view link) {
  return {SftpType::symlink, WireWriter().string(target).string(link).take()};
}
SftpCall read(Bytes handle, uint64_t offset, uint32_t length) {
  return {SftpType::read, WireWriter().string(handle).u64(offset).u32(length).take()};
}
SftpCall write(Bytes handle, uint64_t offset, Bytes data) {
  return {SftpType::write, WireWriter().string(handle).u64(offset).string(data).take()};
}
SftpCall posix_rename(std::string_view from, std::string_view to) {
  return extended("posix-rename@openssh.com", WireWriter().string(from).string(to));
}
SftpCall statvfs(std::string_view path) { return extended("statvfs@openssh.com", WireWriter().string(path)); }
SftpCall fstatvfs(Bytes handle) { return extended("fstatvfs@openssh.com", WireWriter().string(handle)); }
SftpCall hardlink(std::string_view from, std::string_view to) {
  return extended("hardlink@openssh.com", WireWriter().string(from).string(to));
}
SftpCall fsync(Bytes handle) { return extended("fsync@openssh.com", WireWriter().string(handle)); }
SftpCall lsetstat(std::string_view path, const SftpAttributes& wanted) {
  WireWriter body;
  body.string(path);
  write_attributes_of(body, wanted);
  return extended("lsetstat@openssh.com", body);
}
SftpCall limits() { return extended("limits@openssh.com", {}); }
SftpCall expand_path(std::string_view path) { return extended("expand-path@openssh.com", WireWriter().string(path)); }
SftpCall home_directory(std::string_view user) { return extended("home-directory", WireWriter().string(user)); }
SftpCall names_of_ids(const std::vector<uint32_t>& users, const std::vector<uint32_t>& groups) {
  WireWriter first, second;
  for (const uint32_t id : users) first.u32(id);
  for (const uint32_t id : groups) second.u32(id);
  return extended("users-groups-by-id@openssh.com", WireWriter().string(first.view()).string(second.view()));
}
SftpCall copy_data(Bytes from, uint64_t from_offset, uint64_t length, Bytes to, uint64_t to_offset) {
  return extended("copy-data", WireWriter().string(from).u64(from_offset).u64(length).string(to).u64(to_offset));
}
SftpCall check_handle(Bytes handle, std::string_view algorithms, uint64_t offset, uint64_t length, uint32_t block) {
  return extended("check-file-handle",
                  WireWriter().string(handle).string(algorithms).u64(offset).u64(length).u32(block));
}
SftpCall check_name(std::string_view path, std::string_view algorithms, uint64_t offset, uint64_t length,
                    uint32_t block) {
  return extended("check-file-name", WireWriter().string(path).string(algorithms).u64(offset).u64(length).u32(block));
}

}  // namespace sftp_call

namespace sftp_answer {

SftpResult<void> done(const SftpAnswer& answer) {
  WireReader reader(answer.body);
  if (answer.type == SftpType::status && reader.u32() == static_cast<uint32_t>(SftpStatus::ok) && reader.ok())
    return {};
  return refusal(answer);
}

SftpResult<std::vector<uint8_t>> handle(const SftpAnswer& answer) {
  if (answer.type != SftpType::handle) return refusal(answer);
  WireReader reader(answer.body);
  const Bytes found = reader.string();
  if (!reader.ok() || found.size() > kMaxSftpHandle) return nonsense();
  return std::vector<uint8_t>(found.begin(), found.end());
}

SftpResult<SftpAttributes> attributes(const SftpAnswer& answer) {
  if (answer.type != SftpType::attrs) return refusal(answer);
  WireReader reader(answer.body);
  SftpAttributes found = read_attributes_of(reader);
  if (!reader.ok()) return nonsense();
  return found;
}

SftpResult<std::optional<std::vector<SftpName>>> names(const SftpAnswer& answer) {
  WireReader reader(answer.body);
  if (answer.type == SftpType::status && reader.u32() == static_cast<uint32_t>(SftpStatus::eof)) return std::nullopt;
  if (answer.type != SftpType::name) return refusal(answer);
  const uint32_t count = reader.u32();
  std::vector<SftpName> found;
  // The packet's length bounds it, whatever the count says.
  for (uint32_t i = 0; i < count && reader.ok(); ++i) {
    SftpName name;
    name.name = std::string(reader.text());
    name.long_name = std::string(reader.text());
    name.attributes = read_attributes_of(reader);
    if (reader.ok()) found.push_back(std::move(name));
  }
  if (!reader.ok()) return nonsense();
  return found;
}

SftpResult<std::string> path(const SftpAnswer& answer) {
  auto found = names(answer);
  if (!found) return tl::unexpected<SftpFault>(std::move(found.error()));
  if (!*found || (*found)->size() != 1) return nonsense();
  return std::move((*found)->front().name);
}

SftpResult<std::vector<uint8_t>> data(const SftpAnswer& answer) {
  if (answer.type != SftpType::data) return refusal(answer);
  WireReader reader(answer.body);
  const Bytes found = reader.string();
  if (!reader.ok()) return nonsense();
  return std::vector<uint8_t>(found.begin(), found.end());
}

SftpResult<SftpFilesystem> filesystem(const SftpAnswer& answer) {
  if (answer.type != SftpType::extended_reply) return refusal(answer);
  WireReader reader(answer.body);
  SftpFilesystem found;
  for (uint64_t* field :
       {&found.block_size, &found.fragment_size, &found.blocks, &found.free_blocks, &found.available_blocks,
        &found.files, &found.free_files, &found.available_files, &found.id, &found.flags, &found.longest_name})
    *field = reader.u64();
  if (!reader.ok()) return nonsense();
  return found;
}

SftpResult<SftpHashes> hashes(const SftpAnswer& answer) {
  if (answer.type != SftpType::extended_reply) return refusal(answer);
  WireReader reader(answer.body);
  // Some leave the extension's name out.
  std::string_view word = reader.text();
  if (word == "check-file") word = reader.text();
  const Bytes rest = reader.rest();
  if (!reader.ok() || rest.size() > kMostHashes) return nonsense();
  return SftpHashes{std::string(word), {rest.begin(), rest.end()}};
}

SftpResult<SftpIdNames> names_of_ids(const SftpAnswer& answer) {
  if (answer.type != SftpType::extended_reply) return refusal(answer);
  WireReader reader(answer.body);
  SftpIdNames found;
  for (std::vector<std::string>* list : {&found.users, &found.groups}) {
    WireReader names_reader(reader.string());
    while (names_reader.ok() && !names_reader.at_end()) list->emplace_back(names_reader.text());
    if (!names_reader.ok()) return nonsense();
  }
  if (!reader.ok()) return nonsense();
  return found;
}

SftpResult<void> limits(const SftpAnswer& answer, SftpServerFacts& facts) {
  if (answer.type != SftpType::extended_reply) return refusal(answer);
  WireReader reader(answer.body);
  reader.u64();  // of a packet: that of its data is what matters
  const uint64_t read = reader.u64();
  const uint64_t write = reader.u64();
  const uint64_t handles = reader.u64();
  if (!reader.ok()) return nonsense();
  if (read > 0) facts.most_read = static_cast<uint32_t>(std::min<uint64_t>(read, kMaxSftpData));
  if (write > 0) facts.most_write = static_cast<uint32_t>(std::min<uint64_t>(write, kMaxSftpData));
  facts.most_handles = handles;
  return {};
}

}  // namespace sftp_answer
}  // namespace sluice
