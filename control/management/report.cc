// Columns as wide as what stands in them; JSON by the headings.
#include "control/management/report.h"

#include <algorithm>

namespace sluice {
namespace {

// Rows have one line each whatever their length: programs that were made for routers read them so.
std::string padded(std::string_view text, size_t width) {
  std::string out(text);
  if (out.size() < width) out.append(width - out.size(), ' ');
  return out;
}

std::string line_of(const std::vector<std::string>& cells, const std::vector<size_t>& widths) {
  std::string line;
  for (size_t i = 0; i < cells.size() && i < widths.size(); ++i) line.append(padded(cells[i], widths[i]));
  line.erase(line.find_last_not_of(' ') + 1);
  return line.append("\n");
}

std::string key_of(std::string_view heading) {
  std::string key;
  for (const char c : heading) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (letter) {
      key.push_back(c);
    } else if (c >= 'A' && c <= 'Z') {
      key.push_back(static_cast<char>(c - 'A' + 'a'));
    } else if (!key.empty() && key.back() != '_') {
      key.push_back('_');
    }
  }
  while (key.ends_with('_')) key.pop_back();
  return key;
}

std::string table_text(const Report::Table& table) {
  std::vector<std::string> headings;
  std::vector<size_t> widths;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    size_t width = std::max(table.columns[i].width, table.columns[i].heading.size() + 1);
    for (const auto& row : table.rows)
      if (i < row.size()) width = std::max(width, row[i].size() + 1);
    headings.push_back(table.columns[i].heading);
    widths.push_back(width);
  }
  std::string out;
  if (table.headings) out.append(line_of(headings, widths));
  if (table.ruled) {
    size_t all = 0;
    for (const size_t width : widths) all += width;
    out.append(std::string(all, '-')).append("\n");
  }
  for (size_t i = 0; i <= table.rows.size(); ++i) {
    for (const auto& [before, line] : table.between)
      if (before == i) out.append(line).append("\n");
    if (i < table.rows.size()) out.append(line_of(table.rows[i], widths));
  }
  return out;
}

std::string table_json(const Report::Table& table) {
  std::string out = "[";
  for (size_t i = 0; i < table.rows.size(); ++i) {
    out.append(i == 0 ? "\n  {" : ",\n  {");
    for (size_t k = 0; k < table.rows[i].size() && k < table.columns.size(); ++k) {
      if (k > 0) out.append(", ");
      out.append(json_string(key_of(table.columns[k].heading))).append(": ").append(json_string(table.rows[i][k]));
    }
    out.append("}");
  }
  return out.append(table.rows.empty() ? "]" : "\n ]");
}

}  // namespace

std::string json_string(std::string_view text) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (c == '\n') {
      out.append("\\n");
    } else if (octet < 0x20 || octet == 0x7f) {
      out.append("\\u00").push_back(kDigits[octet >> 4]);
      out.push_back(kDigits[octet & 15]);
    } else {
      out.push_back(c);
    }
  }
  return out.append("\"");
}

void Report::text(std::string_view name, std::string lines) {
  std::string json = name.empty() ? std::string() : json_string(lines);
  blocks_.push_back({std::string(name), std::move(lines), std::move(json)});
}

void Report::table(Table table) { blocks_.push_back({table.name, table_text(table), table_json(table)}); }

void Report::facts(std::string_view name, Facts facts, std::string_view separator) {
  std::string text, json = "{";
  for (const auto& [key, value] : facts) {
    std::string line = key;
    line.append(separator).append(value);
    line.erase(line.find_last_not_of(' ') + 1);
    text.append(line).append("\n");
    if (json.size() > 1) json.append(", ");
    json.append(json_string(key_of(key))).append(": ").append(json_string(value));
  }
  blocks_.push_back({std::string(name), std::move(text), json.append("}")});
}

void Report::append(Report other) {
  for (Block& block : other.blocks_) blocks_.push_back(std::move(block));
}

std::string Report::as_text() const {
  std::string out;
  for (const Block& block : blocks_) out.append(block.text);
  return out;
}

std::string Report::as_json() const {
  std::string out = "{";
  for (const Block& block : blocks_) {
    if (block.name.empty()) continue;
    out.append(out.size() > 1 ? ",\n " : "").append(json_string(block.name)).append(": ").append(block.json);
  }
  return out.append("}\n");
}

}  // namespace sluice
