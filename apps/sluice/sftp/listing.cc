// Sorting and formatting of listings.
#include "apps/sluice/sftp/listing.h"

#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace sluice {
namespace {

// Older than half a year: the year says more than the hour.
constexpr int64_t kRecent = 365LL * 24 * 60 * 60 / 2;

__attribute__((format(printf, 1, 2))) std::string format(const char* pattern, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, pattern);
  std::vsnprintf(text, sizeof text, pattern, arguments);
  va_end(arguments);
  return text;
}

std::string mode_text(const std::optional<uint32_t>& mode) {
  if (!mode) return "??????????";
  const uint32_t m = *mode;
  std::string text = "?rwxrwxrwx";
  switch (m & S_IFMT) {
    case S_IFDIR: text[0] = 'd'; break;
    case S_IFLNK: text[0] = 'l'; break;
    case S_IFCHR: text[0] = 'c'; break;
    case S_IFBLK: text[0] = 'b'; break;
    case S_IFIFO: text[0] = 'p'; break;
    case S_IFSOCK: text[0] = 's'; break;
    case S_IFREG: text[0] = '-'; break;
    default: break;
  }
  for (size_t bit = 0; bit < 9; ++bit) {
    if (!(m & (0400u >> bit))) text[bit + 1] = '-';
  }
  const auto mark = [&](uint32_t flag, size_t at, char with, char without) {
    if (m & flag) text[at] = text[at] == 'x' ? with : without;
  };
  mark(S_ISUID, 3, 's', 'S');
  mark(S_ISGID, 6, 's', 'S');
  mark(S_ISVTX, 9, 't', 'T');
  return text;
}

std::string owner_text(const std::map<uint32_t, std::string>& names, uint32_t id, bool numeric) {
  const auto name = names.find(id);
  if (numeric || name == names.end() || name->second.empty()) return std::to_string(id);
  return fit_for_terminal(name->second, 64);
}

std::string long_line(const ListedFile& file, const SftpFlags& flags, const OwnerNames& owners, int64_t now_s) {
  const SftpAttributes& a = file.attributes;
  std::string when = "            ";
  if (a.times) {
    const time_t modified = a.times->modified;
    tm parts{};
    char text[32];
    ::localtime_r(&modified, &parts);
    const bool recent = now_s - modified < kRecent && modified <= now_s;
    if (std::strftime(text, sizeof text, recent ? "%b %e %H:%M" : "%b %e  %Y", &parts) > 0) when = text;
  }
  const uint64_t size = a.size.value_or(0);
  const std::string user = a.owner ? owner_text(owners.users, a.owner->uid, flags.numeric) : "?";
  const std::string group = a.owner ? owner_text(owners.groups, a.owner->gid, flags.numeric) : "?";
  const std::string sizes = flags.readable ? scaled_size(size) : std::to_string(size);
  // The protocol does not tell how many links there are.
  return mode_text(a.mode) +
         format("    ? %-8s %-8s %8s %s ", user.c_str(), group.c_str(), sizes.c_str(), when.c_str()) +
         fit_for_terminal(file.name);
}

}  // namespace

void sort_listing(std::vector<ListedFile>& files, const SftpFlags& flags) {
  if (flags.in_order) return;
  const auto key = [&](const ListedFile& f) -> uint64_t {
    if (flags.by_time) return f.attributes.times ? f.attributes.times->modified : 0;
    return f.attributes.size.value_or(0);
  };
  std::stable_sort(files.begin(), files.end(), [&](const ListedFile& a, const ListedFile& b) {
    if ((flags.by_time || flags.by_size) && key(a) != key(b)) return key(a) > key(b);
    return a.name < b.name;
  });
  if (flags.reversed) std::reverse(files.begin(), files.end());
}

std::string show_listing(const std::vector<ListedFile>& files, const SftpFlags& flags, const OwnerNames& owners,
                         size_t width, int64_t now_s) {
  std::string out;
  if (flags.lengthy) {
    for (const ListedFile& file : files) {
      const bool own = flags.numeric || flags.readable || owners.known || file.long_name.empty();
      out += own ? long_line(file, flags, owners, now_s) : fit_for_terminal(file.long_name, 4096);
      out += '\n';
    }
    return out;
  }
  std::vector<std::string> names;
  size_t widest = 0;
  for (const ListedFile& file : files) {
    names.push_back(fit_for_terminal(file.name, 4096));
    widest = std::max(widest, names.back().size());
  }
  const size_t columns = flags.one_column ? 1 : std::max<size_t>(1, width / (widest + 2));
  const size_t space = std::min(width / columns, width);
  size_t column = 0;
  for (std::string& name : names) {
    if (columns > 1) name.resize(std::max(name.size(), space), ' ');
    out += name;
    if (++column == columns) {
      out += '\n';
      column = 0;
    }
  }
  if (column != 0) out += '\n';
  return out;
}

std::string scaled_size(uint64_t size) {
  constexpr std::string_view kUnits = "BKMGTPE";
  if (size < 1024) return std::to_string(size) + "B";
  // Rounded to what is shown: tenths below a hundred, else whole ones; what rounds up to the next unit is one of it.
  for (size_t unit = 1;; ++unit) {
    const double value = static_cast<double>(size) / static_cast<double>(uint64_t{1} << (10 * unit));
    const bool last = unit + 1 == kUnits.size();
    if (value < 99.95) return format("%.1f%c", value, kUnits[unit]);
    if (value < 1023.5 || last) return format("%.0f%c", value, kUnits[unit]);
  }
}

std::string show_filesystem(const SftpFilesystem& f, const SftpFlags& flags) {
  const auto percent = [](uint64_t part, uint64_t whole) {
    return whole == 0 ? 0 : static_cast<unsigned>(100.0 * static_cast<double>(part) / static_cast<double>(whole));
  };
  using Number = unsigned long long;
  if (flags.inodes) {
    const uint64_t used = f.files - std::min(f.files, f.free_files);
    return format("     Inodes        Used       Avail      (root)    %%Capacity\n") +
           format("%11llu %11llu %11llu %11llu         %3u%%\n", Number{f.files}, Number{used},
                  Number{f.available_files}, Number{f.free_files}, percent(used, f.files));
  }
  const uint64_t unit = f.fragment_size ? f.fragment_size : f.block_size;
  const uint64_t used = f.blocks - std::min(f.blocks, f.free_blocks);
  const unsigned share = percent(used, f.blocks);
  if (flags.human) {
    const auto size = [&](uint64_t blocks) { return scaled_size(blocks * unit); };
    return format("    Size     Used    Avail   (root)    %%Capacity\n") +
           format("%7sB %7sB %7sB %7sB         %3u%%\n", size(f.blocks).c_str(), size(used).c_str(),
                  size(f.available_blocks).c_str(), size(f.free_blocks).c_str(), share);
  }
  const auto kibs = [&](uint64_t blocks) { return Number{blocks * unit / 1024}; };
  return format("        Size         Used        Avail       (root)    %%Capacity\n") +
         format("%12llu %12llu %12llu %12llu         %3u%%\n", kibs(f.blocks), kibs(used), kibs(f.available_blocks),
                kibs(f.free_blocks), share);
}

size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const char* columns = std::getenv("COLUMNS");
  const long width = columns ? std::strtol(columns, nullptr, 10) : 0;
  return width > 0 && width < 10000 ? static_cast<size_t>(width) : 80;
}

}  // namespace sluice
