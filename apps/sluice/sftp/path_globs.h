// Patterns in paths, here and at the server: `*`, `?` and `[...]` looked up component by component.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "services/scp/shell_words.h"

namespace sluice {

// What names there are. A stranger's names are filtered by whoever is the source: none has a slash, none is . or ..
class NameSource {
 public:
  virtual ~NameSource() = default;
  struct Name {
    std::string name;
    bool folder = false;  // as far as is known without following a link
  };
  // Names in a folder ("" is the current one); nothing where it cannot be read.
  virtual std::vector<Name> names(const std::string& folder) = 0;
  // Links count, wherever they lead.
  virtual bool exists(const std::string& path) = 0;
  // Follows links.
  virtual bool is_folder(const std::string& path) = 0;
};

// A server that answers patterns with more than this is not asked further.
inline constexpr size_t kMaxGlobMatches = 1'000'000;

// Sorted paths that are there; a word without a pattern is itself if it exists. Empty: no match.
std::vector<std::string> expand_path(const ShellWord& word, NameSource& source);
bool has_pattern(const ShellWord& word);

// "a" and "b" -> "a/b"; an absolute second stays; "" and "b" -> "b".
std::string path_in(std::string_view folder, std::string_view name);
// Without slashes at its end; "" of "/".
std::string base_name(std::string_view path);

}  // namespace sluice
