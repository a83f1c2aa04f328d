// Report: what a command shows: tables, facts by name, and texts; as a screen of text and as JSON.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice {

struct ReportColumn {
  std::string heading;
  size_t width = 0;  // at least; columns grow with what stands in them
};

class Report {
 public:
  // Lines of text; in JSON under the name, unless that is empty.
  void text(std::string_view name, std::string lines);
  // A table's rows; its headings stand above where `headings`, and below them a line of dashes where `ruled`.
  struct Table {
    std::string name;
    std::vector<ReportColumn> columns;
    std::vector<std::vector<std::string>> rows = {};
    bool headings = true;
    bool ruled = false;
    // A line above the rows from this one on, as "Incoming sessions".
    std::vector<std::pair<size_t, std::string>> between = {};
  };
  void table(Table table);
  // "name SEPARATOR value", one a line.
  using Facts = std::vector<std::pair<std::string, std::string>>;
  void facts(std::string_view name, Facts facts, std::string_view separator);
  // For eyes alone: dates, blank lines, titles.
  void eyes(std::string lines) { text("", std::move(lines)); }
  void append(Report other);

  std::string as_text() const;
  std::string as_json() const;

 private:
  struct Block {
    std::string name;
    std::string text;
    std::string json;
  };
  std::vector<Block> blocks_;
};

std::string json_string(std::string_view text);

}  // namespace sluice
