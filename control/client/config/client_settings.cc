// First wins, or adding up.
#include "control/client/config/client_settings.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "control/keys/name_patterns.h"

namespace sluice {
namespace {

bool adds_up(OptionKind kind) {
  return kind == OptionKind::list || kind == OptionKind::many || kind == OptionKind::forward;
}

const OptionRow& row_named(std::string_view name) {
  const OptionRow* row = find_option(name);
  SLUICE_CHECK(row != nullptr);
  return *row;
}

ClientSettings::Words split(std::string_view text) {
  ClientSettings::Words words;
  while (!text.empty()) {
    const size_t space = text.find(' ');
    words.emplace_back(text.substr(0, space));
    text = space == std::string_view::npos ? std::string_view() : text.substr(space + 1);
  }
  return words;
}

}  // namespace

bool ClientSettings::set(const OptionRow& row, Words words) {
  auto& lines = said_[row.name];
  if (!lines.empty() && !adds_up(row.kind)) return false;
  // Files are read twice where a block asks for it.
  if (row.kind != OptionKind::many && std::find(lines.begin(), lines.end(), words) != lines.end()) return false;
  lines.push_back(std::move(words));
  return true;
}

void ClientSettings::replace(std::string_view name, Words words) { said_[row_named(name).name] = {std::move(words)}; }

void ClientSettings::forget(std::string_view name) { said_.erase(row_named(name).name); }

std::string ClientSettings::one(std::string_view name) const {
  const auto found = said_.find(name);
  if (found == said_.end()) return std::string(row_named(name).otherwise);
  return found->second.front().front();
}

bool ClientSettings::flag(std::string_view name) const {
  const std::string word = to_lower(one(name));
  return word == "yes" || word == "true";
}

long long ClientSettings::number(std::string_view name) const {
  const std::string word = one(name);
  long long n = 0;
  std::from_chars(word.data(), word.data() + word.size(), n);
  return n;
}

ClientSettings::Words ClientSettings::all(std::string_view name) const {
  const auto found = said_.find(name);
  if (found == said_.end()) return split(row_named(name).otherwise);
  Words words;
  for (const Words& line : found->second) words.insert(words.end(), line.begin(), line.end());
  return words;
}

const std::vector<ClientSettings::Words>& ClientSettings::lines(std::string_view name) const {
  static const std::vector<Words> kNone;
  const auto found = said_.find(name);
  return found == said_.end() ? kNone : found->second;
}

std::string ClientSettings::print() const {
  std::string out;
  const auto line = [&](std::string_view name, const Words& words) {
    out.append(to_lower(name));
    for (const std::string& word : words) out.append(" ").append(word);
    out.append("\n");
  };
  for (const OptionRow& row : option_rows()) {
    const auto found = said_.find(row.name);
    if (found == said_.end()) {
      if (!row.otherwise.empty()) line(row.name, split(row.otherwise));
    } else if (row.kind == OptionKind::flag) {
      line(row.name, {flag(row.name) ? "yes" : "no"});
    } else if (row.kind == OptionKind::many) {
      for (const std::string& word : all(row.name)) line(row.name, {word});
    } else {
      for (const Words& words : found->second) line(row.name, words);
    }
  }
  return out;
}

}  // namespace sluice
