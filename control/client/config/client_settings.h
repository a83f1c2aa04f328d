// ClientSettings: what command line and files say of each option, as words. The first that says something wins; where
// lines add up, all of them count.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "control/client/config/option_row.h"

namespace sluice {

class ClientSettings {
 public:
  using Words = std::vector<std::string>;

  // False: an earlier word holds.
  bool set(const OptionRow& row, Words words);
  // Whatever was said before.
  void replace(std::string_view name, Words words);
  void forget(std::string_view name);

  bool has(std::string_view name) const { return said_.contains(name); }
  // Empty where nothing was said and nothing stands instead.
  std::string one(std::string_view name) const;
  bool flag(std::string_view name) const;
  long long number(std::string_view name) const;
  // Of `list` and `many`: the words of all lines. Else those of the line that holds.
  Words all(std::string_view name) const;
  // Each line's words.
  const std::vector<Words>& lines(std::string_view name) const;

  // "name value" lines, as `-G` prints them: the options that have a value.
  std::string print() const;

 private:
  std::map<std::string_view, std::vector<Words>> said_;  // by the row's name
};

}  // namespace sluice
