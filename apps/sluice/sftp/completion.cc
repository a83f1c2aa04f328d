// Which word is completed, from which names, and how far.
#include "apps/sluice/sftp/completion.h"

#include <algorithm>

#include "services/sftp_client/sftp_messages.h"

namespace sluice {
namespace {

// More would scroll what the user looks for out of sight.
constexpr size_t kMaxChoices = 400;

std::string common_start(const std::vector<NameSource::Name>& names) {
  std::string common = names.front().name;
  for (const auto& name : names) {
    size_t same = 0;
    while (same < common.size() && same < name.name.size() && common[same] == name.name[same]) ++same;
    common.resize(same);
  }
  // Not in the middle of a character of UTF-8.
  if (common.size() < names.front().name.size()) {
    const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
    if (continues(names.front().name[common.size()])) {
      while (!common.empty() && continues(common.back())) common.pop_back();
      if (!common.empty()) common.pop_back();
    }
  }
  return common;
}

Completion among(std::vector<NameSource::Name> names, const std::string& typed, char quote, bool in_word) {
  if (names.empty()) return {};
  std::sort(names.begin(), names.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  Completion out;
  const std::string common = common_start(names);
  // A control character in a name could not be typed either.
  const std::string more = common.substr(std::min(typed.size(), common.size()));
  if (std::any_of(more.begin(), more.end(), [](char c) { return static_cast<unsigned char>(c) < 32 || c == 127; })) {
    return {};
  }
  out.insert = quote_sftp_word(more, quote);
  if (names.size() == 1) {
    if (names.front().folder)
      out.insert.push_back('/');
    else if (quote != 0)
      out.insert.append({quote, ' '});
    else
      out.insert.push_back(' ');
  } else if (more.empty() || !in_word) {
    for (const auto& name : names) {
      if (out.choices.size() == kMaxChoices) break;
      out.choices.push_back(fit_for_terminal(name.name) + (name.folder ? "/" : ""));
    }
  }
  return out;
}

Completion command(const std::string& typed) {
  std::vector<NameSource::Name> names;
  for (const SftpVerbRow& row : sftp_verbs()) {
    if (row.name.starts_with(typed) && row.name != "!" && row.name != "?") names.push_back({std::string(row.name)});
  }
  return among(std::move(names), typed, 0, true);
}

Completion path(const std::string& typed, char quote, NameSource& source) {
  const size_t slash = typed.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : typed.substr(0, slash + 1);
  const std::string begin = typed.substr(folder.size());
  std::vector<NameSource::Name> names = source.names(folder);
  std::erase_if(names, [&](const auto& name) {
    return !name.name.starts_with(begin) || (name.name.starts_with('.') && !begin.starts_with('.'));
  });
  // A link to a folder is completed like one; only asked where it matters.
  if (names.size() == 1 && !names.front().folder) names.front().folder = source.is_folder(folder + names.front().name);
  return among(std::move(names), begin, quote, !typed.empty());
}

}  // namespace

Completion complete_sftp_line(std::string_view line, NameSource& remote, NameSource& local) {
  SftpWords split = split_sftp_words(line);
  const bool new_word = !split.word_open && split.open_quote == 0;
  if (split.words.empty() || (split.words.size() == 1 && !new_word)) {
    std::string typed = split.words.empty() ? "" : split.words.front().text;
    typed.erase(0, std::min(typed.find_first_not_of("-@"), typed.size()));
    return command(typed);
  }
  std::string verb = split.words.front().text;
  verb.erase(0, std::min(verb.find_first_not_of("-@"), verb.size()));
  const auto rows = sftp_verbs();
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const auto& r) { return r.name == verb; });
  if (row == rows.end()) return {};
  if (new_word) split.words.emplace_back();
  // Numbers and flags in front of the paths do not count.
  size_t place = 0;
  for (size_t i = 1; i + 1 < split.words.size(); ++i) place += split.words[i].text.starts_with('-') ? 0 : 1;
  if (row->verb == SftpVerb::chmod || row->verb == SftpVerb::chown || row->verb == SftpVerb::chgrp) {
    if (place-- == 0) return {};
  }
  if (row->verb == SftpVerb::lls) place = 0;
  const SftpWordKind kind = place == 0 ? row->first : place == 1 ? row->second : SftpWordKind::none;
  if (kind == SftpWordKind::none) return {};
  return path(split.words.back().text, split.open_quote, kind == SftpWordKind::remote ? remote : local);
}

}  // namespace sluice
