// Expansion of patterns in paths, and the few operations on paths that it takes.
#include "apps/sluice/sftp/path_globs.h"

#include <algorithm>

namespace sluice {
namespace {

// What is left of the word from `at` on, behind paths that were found (each empty or with a slash at its end).
class Expansion {
 public:
  Expansion(const ShellWord& word, NameSource& source) : word_(word), source_(source) {}

  std::vector<std::string> run() {
    std::vector<std::string> found{""};
    size_t at = 0;
    while (at < word_.text.size() && !found.empty()) {
      const size_t slash = std::min(word_.text.find('/', at), word_.text.size());
      // Slashes belong to what is in front of them.
      const size_t next = std::min(word_.text.find_first_not_of('/', slash), word_.text.size());
      found = is_pattern(word_, at, slash) ? matching(found, at, slash, next) : literal(found, at, next);
      at = next;
    }
    std::sort(found.begin(), found.end());
    return found;
  }

 private:
  std::vector<std::string> literal(const std::vector<std::string>& found, size_t at, size_t next) {
    const bool last = next == word_.text.size();
    std::vector<std::string> out;
    for (const std::string& folder : found) {
      std::string path = folder + word_.text.substr(at, next - at);
      if (!last || source_.exists(path)) out.push_back(std::move(path));
    }
    return out;
  }

  std::vector<std::string> matching(const std::vector<std::string>& found, size_t at, size_t slash, size_t next) {
    const bool folders_only = next > slash;
    std::vector<std::string> out;
    for (const std::string& folder : found) {
      for (const NameSource::Name& name : source_.names(folder)) {
        if (!matches_pattern(name.name, word_, at, slash)) continue;
        const std::string path = folder + name.name;
        if (folders_only && !name.folder && !source_.is_folder(path)) continue;
        out.push_back(path + word_.text.substr(slash, next - slash));
        if (out.size() >= kMaxGlobMatches) return out;
      }
    }
    return out;
  }

  const ShellWord& word_;
  NameSource& source_;
};

}  // namespace

std::vector<std::string> expand_path(const ShellWord& word, NameSource& source) {
  if (word.text.empty()) return {};
  return Expansion(word, source).run();
}

bool has_pattern(const ShellWord& word) { return is_pattern(word, 0, word.text.size()); }

std::string path_in(std::string_view folder, std::string_view name) {
  if (folder.empty() || name.starts_with('/')) return std::string(name);
  std::string out(folder);
  if (!out.ends_with('/')) out.push_back('/');
  return out.append(name);
}

std::string base_name(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  return std::string(path.substr(path.rfind('/') + 1));
}

}  // namespace sluice
