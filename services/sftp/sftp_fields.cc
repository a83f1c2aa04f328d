// Encodings of draft-ietf-secsh-filexfer-02 sections 5 and 7.
#include "services/sftp/sftp_fields.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

namespace sluice {
namespace {

// A client that sends more has no use for them: the attributes that it could set are known.
constexpr uint32_t kMaxExtendedAttributes = 64;
constexpr int64_t kHalfYear = 182 * 24 * 3600;

uint32_t seconds_of(const FileTime& time) {
  return static_cast<uint32_t>(std::clamp<int64_t>(time.seconds, 0, UINT32_MAX));
}

char type_letter(uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR: return 'd';
    case S_IFLNK: return 'l';
    case S_IFCHR: return 'c';
    case S_IFBLK: return 'b';
    case S_IFIFO: return 'p';
    case S_IFSOCK: return 's';
    default: return '-';
  }
}

char execute_letter(uint32_t bits, bool special, char with, char without) {
  const bool execute = bits & 1;
  if (special) return execute ? with : without;
  return execute ? 'x' : '-';
}

std::array<char, 11> mode_letters(uint32_t mode) {
  const auto bit = [mode](uint32_t mask, char letter) { return mode & mask ? letter : '-'; };
  return {type_letter(mode),
          bit(0400, 'r'),
          bit(0200, 'w'),
          execute_letter(mode >> 6, mode & S_ISUID, 's', 'S'),
          bit(0040, 'r'),
          bit(0020, 'w'),
          execute_letter(mode >> 3, mode & S_ISGID, 's', 'S'),
          bit(0004, 'r'),
          bit(0002, 'w'),
          execute_letter(mode, mode & S_ISVTX, 't', 'T'),
          '\0'};
}

}  // namespace

AttributeChange read_attributes(WireReader& reader) {
  AttributeChange change;
  const uint32_t flags = reader.u32();
  if (flags & kAttributeSize) change.size = reader.u64();
  if (flags & kAttributeOwner) {
    const uint32_t uid = reader.u32();
    change.owner = FileOwner{uid, reader.u32()};
  }
  if (flags & kAttributeMode) change.mode = reader.u32() & 07777u;
  if (flags & kAttributeTimes) {
    const uint32_t accessed = reader.u32();
    change.times = FileTimes{{accessed, 0}, {reader.u32(), 0}};
  }
  if (flags & kAttributeExtended) {
    const uint32_t count = reader.u32();
    for (uint32_t i = 0; i < std::min(count, kMaxExtendedAttributes) && reader.ok(); ++i)
      reader.string(), reader.string();
    if (count > kMaxExtendedAttributes) reader.raw(SIZE_MAX);
  }
  return change;
}

void write_attributes(WireWriter& writer, const FileAttributes& attributes) {
  writer.u32(kAttributeSize | kAttributeOwner | kAttributeMode | kAttributeTimes);
  writer.u64(attributes.size).u32(attributes.uid).u32(attributes.gid).u32(attributes.mode);
  writer.u32(seconds_of(attributes.accessed)).u32(seconds_of(attributes.modified));
}

std::string long_name(const DirectoryEntry& entry, int64_t now_seconds) {
  const FileAttributes& facts = entry.attributes;
  // Universal time: the process that lists has no time zone's files.
  const time_t modified = facts.modified.seconds;
  struct tm parts {};
  ::gmtime_r(&modified, &parts);
  const bool recent = facts.modified.seconds <= now_seconds && now_seconds - facts.modified.seconds < kHalfYear;
  std::array<char, 32> when{};
  if (std::strftime(when.data(), when.size(), recent ? "%b %e %H:%M" : "%b %e  %Y", &parts) == 0) when[0] = '\0';
  std::array<char, 192> line{};
  const int n = std::snprintf(line.data(), line.size(), "%s %3u %-8.32s %-8.32s %8llu %s ",
                              mode_letters(facts.mode).data(), facts.links, entry.owner.c_str(), entry.group.c_str(),
                              static_cast<unsigned long long>(facts.size), when.data());
  std::string out(line.data(), std::min(static_cast<size_t>(std::max(n, 0)), line.size() - 1));
  return out += entry.name;
}

SftpStatus status_of(BrokerFault fault) {
  switch (fault) {
    case BrokerFault::not_found:
    case BrokerFault::not_directory:
    case BrokerFault::loop: return SftpStatus::no_such_file;
    case BrokerFault::refused:
    case BrokerFault::forbidden:
    case BrokerFault::read_only: return SftpStatus::permission_denied;
    case BrokerFault::invalid:
    case BrokerFault::name_too_long: return SftpStatus::bad_message;
    case BrokerFault::unsupported: return SftpStatus::op_unsupported;
    default: return SftpStatus::failure;
  }
}

std::vector<uint8_t> status_packet(uint32_t id, SftpStatus status, std::string_view text) {
  // No language is named: the text is in the system's.
  std::vector<uint8_t> packet(4 + 1 + 4 + 4 + 4 + text.size() + 4);
  store_be32(packet.data(), static_cast<uint32_t>(packet.size() - 4));
  packet[4] = static_cast<uint8_t>(SftpType::status);
  store_be32(&packet[5], id);
  store_be32(&packet[9], static_cast<uint32_t>(status));
  store_be32(&packet[13], static_cast<uint32_t>(text.size()));
  std::copy(text.begin(), text.end(), packet.begin() + 17);
  return packet;
}

std::vector<uint8_t> failure_packet(uint32_t id, const Failure& failure) {
  return status_packet(id, status_of(failure.fault), failure.text.empty() ? "Failure" : failure.text);
}

std::vector<uint8_t> packet_of(SftpType type, uint32_t id, Bytes body) {
  std::vector<uint8_t> packet(9 + body.size());
  store_be32(packet.data(), static_cast<uint32_t>(packet.size() - 4));
  packet[4] = static_cast<uint8_t>(type);
  store_be32(&packet[5], id);
  std::copy(body.begin(), body.end(), packet.begin() + 9);
  return packet;
}

void write_data_header(uint8_t* to, uint32_t id, uint32_t length) {
  store_be32(to, static_cast<uint32_t>(kSftpDataHeader - 4 + length));
  to[4] = static_cast<uint8_t>(SftpType::data);
  store_be32(to + 5, id);
  store_be32(to + 9, length);
}

}  // namespace sluice
