// A subcommand's flags as a table: the name, whether a value follows, what it does.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/sluice/bench/figures.h"

namespace sluice::bench {

struct Flag {
  std::string_view name;  // "--rounds"
  bool takes_value;
  // The complaint, or nothing.
  std::function<std::string(const std::string& value)> apply;
};

// Of common use in such a table.
Flag flag_switch(std::string_view name, bool& to);
Flag flag_text(std::string_view name, std::string& to);
Flag flag_list(std::string_view name, std::vector<std::string>& to);
Flag flag_sizes(std::string_view name, std::vector<uint64_t>& to);
Flag flag_counts(std::string_view name, uint64_t least, uint64_t most, std::vector<uint64_t>& to);
Flag flag_count(std::string_view name, uint64_t least, uint64_t most, uint64_t& to);
Flag flag_decimal(std::string_view name, double least, double most, double& to);

// What every subcommand has.
struct CommonFlags {
  std::string json_file;
  std::string html_file;
  bool quiet = false;
  bool plain = false;
  bool help = false;
};

// Words that are no flags, in their order; or what is wrong.
ResultOrText<std::vector<std::string>> parse_flags(int argc, char** argv, CommonFlags& common, std::vector<Flag> flags);

}  // namespace sluice::bench
