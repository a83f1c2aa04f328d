// Line by line: conditions decide what is active, options go to the settings.
#include "control/client/config/config_reader.h"

#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/file_text.h"
#include "control/client/config/config_words.h"
#include "control/keys/name_patterns.h"
#include "control/keys/words.h"

namespace sluice {
namespace {

// "%h" in Hostname and the like; settings that conditions look at are used as far as they are known by then.
std::string expanded_or_same(const std::string& text, const TokenFacts& facts) {
  auto expanded = expand_tokens(text, "hn", facts);
  return expanded ? *expanded : text;
}

}  // namespace

std::string ConfigReader::host_name() const {
  if (!settings_.has("Hostname")) return facts_.host;
  TokenFacts facts = facts_.tokens;
  facts.host = facts_.host;
  return expanded_or_same(settings_.one("Hostname"), facts);
}

void ConfigReader::take_line(std::string_view line, const std::string& where) {
  bool active = true;
  take(line, {where, {}, 0}, active, true);
}

bool ConfigReader::read_file(const std::string& path, const std::string& include_folder, bool owned) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return false;
  if (owned && ((status.st_uid != 0 && status.st_uid != ::getuid()) || (status.st_mode & 022) != 0)) {
    errors_.push_back("Bad owner or permissions on " + path);
    return true;
  }
  const auto text = file_text(path, kMaxClientConfig);
  if (!text && errno == EFBIG) {
    errors_.push_back(path + ": longer than a configuration can be");
    return true;
  }
  if (text) read_text(*text, path, {path, include_folder, 0}, true);
  return text.has_value();
}

void ConfigReader::read_text(std::string_view text, const std::string& path, const Place& from, bool active) {
  const bool outer = active;
  size_t number = 0;
  while (!text.empty()) {
    const std::string_view line = sluice::take_line(text);
    ++number;
    take(line, {path + " line " + std::to_string(number), from.folder, from.depth}, active, outer);
  }
}

void ConfigReader::take(std::string_view line, const Place& place, bool& active, bool outer) {
  const ConfigLine parts = take_keyword(line);
  if (parts.keyword.empty()) return;
  const std::string keyword = to_lower(parts.keyword);
  if (keyword != "host" && keyword != "match" && keyword != "include" && keyword != "ignoreunknown") {
    return take_option(parts.keyword, parts.rest, place, active);
  }
  const auto words = split_words(parts.rest);
  if (!words || words->empty()) {
    errors_.push_back(place.where + ": " + parts.keyword + ": " +
                      (words ? "a value is missing" : "a quote is not closed"));
    return;
  }
  if (keyword == "host") {
    active = outer && matches_host(*words);
  } else if (keyword == "match") {
    active = matches(*words, place, outer);
  } else if (keyword == "include") {
    include(*words, place, active);
  } else if (active && ignored_.empty()) {
    ignored_ = to_lower(words->front());
  }
}

bool ConfigReader::is_ignored(const std::string& keyword) const {
  return !ignored_.empty() && match_pattern_list(to_lower(keyword), ignored_) == PatternVerdict::match;
}

void ConfigReader::take_option(const std::string& keyword, std::string_view rest, const Place& place, bool active) {
  const OptionRow* row = find_option(keyword);
  if (row == nullptr) {
    if (!is_ignored(keyword)) errors_.push_back(place.where + ": Bad configuration option: " + printable(keyword));
    return;
  }
  std::optional<std::vector<std::string>> words;
  if (row->kind == OptionKind::command) {
    words = rest.empty() ? std::vector<std::string>() : std::vector<std::string>{std::string(rest)};
  } else {
    words = split_words(rest);
  }
  if (!words) {
    errors_.push_back(place.where + ": " + std::string(row->name) + ": a quote is not closed");
    return;
  }
  if (const std::string why = objection_to(*row, *words); !why.empty()) {
    errors_.push_back(place.where + ": " + std::string(row->name) + ": " + why);
    return;
  }
  if (!active) return;
  if (row->kind == OptionKind::absent && row->words != "*" && !has_choice(row->words, words->front())) {
    warnings_.push_back(place.where + ": " + std::string(row->name) + " " + printable(words->front()) +
                        " is not supported, the line does nothing");
  }
  // Two words for one thing: whichever comes first.
  if (row->name == "ProxyCommand" && settings_.has("ProxyJump")) return;
  if (row->name == "ProxyJump" && settings_.has("ProxyCommand")) return;
  settings_.set(*row, std::move(*words));
}

void ConfigReader::include(const std::vector<std::string>& words, const Place& place, bool active) {
  if (place.depth >= kMaxIncludeDepth) {
    errors_.push_back(place.where + ": Include: too many files include each other");
    return;
  }
  for (const std::string& word : words) {
    std::string pattern = expand_home(word, facts_.tokens.home);
    if (!pattern.starts_with('/')) pattern = place.folder + "/" + pattern;
    glob_t found{};
    if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
      for (size_t i = 0; i < found.gl_pathc; ++i) {
        const std::string path = found.gl_pathv[i];
        const auto text = file_text(path, kMaxClientConfig);
        // A pattern may well stand for folders too.
        if (!text && errno != EISDIR) {
          errors_.push_back(place.where + ": Include: cannot read " + path + ": " + std::strerror(errno));
          continue;
        }
        if (text) read_text(*text, path, {path, place.folder, place.depth + 1}, active);
      }
    }
    ::globfree(&found);
  }
}

bool ConfigReader::matches_host(const std::vector<std::string>& patterns) const {
  bool match = false;
  for (const std::string& pattern : patterns) {
    const bool negated = pattern.starts_with('!');
    if (!matches_pattern(facts_.host, negated ? std::string_view(pattern).substr(1) : pattern)) continue;
    if (negated) return false;
    match = true;
  }
  return match;
}

bool ConfigReader::matches(const std::vector<std::string>& words, const Place& place, bool outer) {
  bool result = outer;
  for (size_t i = 0; i < words.size(); ++i) {
    std::string attribute = to_lower(words[i]);
    const bool negated = attribute.starts_with('!');
    if (negated) attribute.erase(0, 1);
    std::optional<std::string> value;
    if (const size_t equals = attribute.find('='); equals != std::string::npos) {
      value = words[i].substr(equals + 1 + (negated ? 1 : 0));
      attribute.resize(equals);
    }
    bool holds_here;
    if (attribute == "all") {
      holds_here = true;
    } else if (attribute == "canonical") {
      holds_here = facts_.canonical;
    } else if (attribute == "final") {
      wants_final_ = true;
      holds_here = facts_.final;
    } else {
      if (!value && ++i == words.size()) {
        errors_.push_back(place.where + ": Match " + printable(attribute) + ": a value is missing");
        return false;
      }
      holds_here = holds(attribute, value ? *value : words[i], place, result);
    }
    if (holds_here == negated) result = false;
  }
  return result;
}

bool ConfigReader::holds(const std::string& attribute, const std::string& value, const Place& place, bool reached) {
  const auto among = [&](const std::string& text) { return match_pattern_list(text, value) == PatternVerdict::match; };
  if (attribute == "host") return among(to_lower(host_name()));
  if (attribute == "originalhost") return among(facts_.tokens.original_host);
  if (attribute == "localuser") return among(facts_.tokens.local_user);
  if (attribute == "tagged") return among(settings_.one("Tag"));
  if (attribute == "user") {
    return among(settings_.has("User") ? settings_.one("User") : facts_.tokens.local_user);
  }
  if (attribute == "exec") {
    if (!reached) return false;
    TokenFacts facts = facts_.tokens;
    facts.host = host_name();
    facts.port = settings_.one("Port");
    facts.remote_user = settings_.has("User") ? settings_.one("User") : facts.local_user;
    facts.host_key_alias = settings_.has("HostKeyAlias") ? settings_.one("HostKeyAlias") : facts.original_host;
    const auto command = expand_tokens(value, kAllTokens, facts);
    if (!command) {
      errors_.push_back(place.where + ": Match exec: " + command.error());
      return false;
    }
    return run_(*command);
  }
  errors_.push_back(place.where + ": Match: unknown condition " + printable(attribute));
  return false;
}

}  // namespace sluice
