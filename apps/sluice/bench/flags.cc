// "--name value" and "--name=value".
#include "apps/sluice/bench/flags.h"

#include <algorithm>

namespace sluice::bench {
namespace {

template <class T>
std::string store(ResultOrText<T> parsed, auto&& to) {
  if (!parsed) return parsed.error();
  to(*parsed);
  return {};
}

// What is there twice would be measured as one thing with twice the rounds.
template <class T>
std::string twice_in(std::vector<T> list) {
  std::sort(list.begin(), list.end());
  return std::adjacent_find(list.begin(), list.end()) == list.end() ? "" : "something is there twice";
}

}  // namespace

Flag flag_switch(std::string_view name, bool& to) {
  return {name, false, [&to](const std::string&) { return to = true, std::string(); }};
}
Flag flag_text(std::string_view name, std::string& to) {
  return {name, true,
          [&to](const std::string& v) { return to = v, std::string(v.empty() ? "a value is missing" : ""); }};
}
Flag flag_list(std::string_view name, std::vector<std::string>& to) {
  return {name, true, [&to](const std::string& v) {
            to = split_list(v);
            return to.empty() ? std::string("a value is missing") : twice_in(to);
          }};
}
Flag flag_sizes(std::string_view name, std::vector<uint64_t>& to) {
  return {name, true, [&to](const std::string& v) {
            to.clear();
            for (const std::string& word : split_list(v)) {
              if (auto why = store(parse_size(word), [&](uint64_t n) { to.push_back(n); }); !why.empty()) return why;
            }
            return to.empty() ? std::string("a size is missing") : twice_in(to);
          }};
}
Flag flag_counts(std::string_view name, uint64_t least, uint64_t most, std::vector<uint64_t>& to) {
  return {name, true, [&to, least, most](const std::string& v) {
            to.clear();
            for (const std::string& word : split_list(v)) {
              auto why = store(parse_count(word, least, most), [&](uint64_t n) { to.push_back(n); });
              if (!why.empty()) return why;
            }
            return to.empty() ? std::string("a number is missing") : twice_in(to);
          }};
}
Flag flag_count(std::string_view name, uint64_t least, uint64_t most, uint64_t& to) {
  return {name, true, [&to, least, most](const std::string& v) {
            return store(parse_count(v, least, most), [&](uint64_t n) { to = n; });
          }};
}
Flag flag_decimal(std::string_view name, double least, double most, double& to) {
  return {name, true, [&to, least, most](const std::string& v) {
            return store(parse_decimal(v, least, most), [&](double n) { to = n; });
          }};
}

ResultOrText<std::vector<std::string>> parse_flags(int argc, char** argv, CommonFlags& common,
                                                   std::vector<Flag> flags) {
  flags.push_back(flag_text("--json", common.json_file));
  flags.push_back(flag_text("--html", common.html_file));
  flags.push_back(flag_switch("--quiet", common.quiet));
  flags.push_back(flag_switch("--plain", common.plain));
  flags.push_back(flag_switch("--help", common.help));
  std::vector<std::string> rest;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (!word.starts_with("-") || word == "-") {
      rest.push_back(word);
      continue;
    }
    const size_t equals = std::min(word.find('='), word.size());
    const std::string name = word == "-h" ? "--help" : word == "-q" ? "--quiet" : word.substr(0, equals);
    const auto flag = std::find_if(flags.begin(), flags.end(), [&](const Flag& f) { return f.name == name; });
    if (flag == flags.end()) return fail("unknown flag " + word + "; --help lists them");
    std::string value = equals < word.size() ? word.substr(equals + 1) : "";
    if (!flag->takes_value && equals < word.size()) return fail(name + " takes no value");
    if (flag->takes_value && equals == word.size()) {
      if (++i == argc) return fail(name + " wants a value");
      value = argv[i];
    }
    if (auto why = flag->apply(value); !why.empty()) return fail(name + ": " + why);
  }
  return rest;
}

}  // namespace sluice::bench
