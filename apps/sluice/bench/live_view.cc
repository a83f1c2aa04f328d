// Redrawing a few lines, and cutting them to the terminal.
#include "apps/sluice/bench/live_view.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "apps/sluice/bench/figures.h"
#include "base/plain_text.h"

namespace sluice::bench {
namespace {

constexpr size_t kNameColumns = 44;
constexpr size_t kFigureColumns = 20;

std::string padded(std::string text, size_t columns) {
  text.resize(columns, ' ');
  return text;
}

std::string bar_of(double share, size_t columns) {
  const auto full = static_cast<size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(columns) + 0.5);
  return std::string(full, '#') + std::string(columns - full, '.');
}

size_t line_count(const std::string& text) { return static_cast<size_t>(std::count(text.begin(), text.end(), '\n')); }

}  // namespace

LiveView::~LiveView() {
  now_.clear();
  if (manner_ == ViewManner::screen && drawn_ > 0) draw();
}

void LiveView::begin(std::string title, size_t steps) {
  title_ = std::move(title);
  steps_ = steps;
  done_ = 0;
  if (manner_ == ViewManner::lines) std::fprintf(to_, "%s\n", title_.c_str());
  if (manner_ == ViewManner::screen) draw();
}

void LiveView::now(const std::string& what) {
  now_ = log_text(what);
  if (manner_ == ViewManner::screen) draw();
}

void LiveView::step(const std::string& row, double value, const std::string& unit) {
  ++done_;
  auto at = std::find_if(bars_.begin(), bars_.end(), [&](const Bar& bar) { return bar.name == row; });
  if (at == bars_.end()) at = bars_.insert(at, Bar{row, unit, {}});
  at->values.push_back(value);
  if (manner_ == ViewManner::lines) {
    std::fprintf(to_, "%zu/%zu  %s  %s %s\n", done_, steps_, row.c_str(), figure(value).c_str(), unit.c_str());
    std::fflush(to_);
  }
  if (manner_ == ViewManner::screen) draw();
}

void LiveView::tell(const std::string& what) {
  told_ = log_text(what);
  if (manner_ == ViewManner::lines) std::fprintf(to_, "%s\n", told_.c_str()), std::fflush(to_);
  if (manner_ == ViewManner::screen) draw();
}

void LiveView::note(const std::string& what) {
  if (manner_ == ViewManner::quiet) return;
  // Above the screen, where it stays.
  if (drawn_ > 0) std::fprintf(to_, "\033[%zuA\033[J", drawn_);
  drawn_ = 0;
  std::fprintf(to_, "%s\n", log_text(what).c_str());
  if (manner_ == ViewManner::screen) draw();
}

std::string LiveView::screen(size_t columns, size_t lines) const {
  columns = std::max<size_t>(columns, 40);
  const size_t names = std::min(kNameColumns, columns / 2);
  double largest = 0;
  for (const Bar& bar : bars_) largest = std::max(largest, spread_of(bar.values).median);
  std::string out = padded(title_, columns - 1) + "\n";
  const std::string counts = " " + std::to_string(done_) + "/" + std::to_string(steps_);
  const size_t room = columns - std::min(columns - 8, counts.size() + 3);
  const double share = steps_ == 0 ? 0 : static_cast<double>(done_) / static_cast<double>(steps_);
  out += "[" + bar_of(share, std::min<size_t>(room, 40)) + "]" + counts + "\n";
  const size_t kept = std::max<size_t>(lines, 8) - 5;
  const size_t from = bars_.size() > kept ? bars_.size() - kept : 0;
  for (size_t i = from; i < bars_.size(); ++i) {
    const double median = spread_of(bars_[i].values).median;
    const size_t width = columns > names + kFigureColumns + 4 ? columns - names - kFigureColumns - 2 : 1;
    std::string line =
        padded(bars_[i].name, names) + " " + padded(figure(median) + " " + bars_[i].unit, kFigureColumns);
    if (largest > 0) line += bar_of(median / largest, width);
    out += padded(line, columns - 1) + "\n";
  }
  if (!told_.empty()) out += padded(told_, columns - 1) + "\n";
  if (!now_.empty()) out += padded("now: " + now_, columns - 1) + "\n";
  return out;
}

void LiveView::draw() {
  winsize size{};
  if (::ioctl(::fileno(to_), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) size.ws_col = 80, size.ws_row = 24;
  const std::string text = screen(size.ws_col, size.ws_row);
  if (drawn_ > 0) std::fprintf(to_, "\033[%zuA\033[J", drawn_);
  std::fputs(text.c_str(), to_);
  std::fflush(to_);
  drawn_ = line_count(text);
}

}  // namespace sluice::bench
