// What a run shows while it works: on a terminal one screen with bars, elsewhere plain lines as figures come.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "apps/sluice/bench/run_report.h"

namespace sluice::bench {

enum class ViewManner : uint8_t { quiet, lines, screen };

class LiveView {
 public:
  LiveView(ViewManner manner, FILE* to) : manner_(manner), to_(to) {}
  // Leaves the last screen where it is.
  ~LiveView();
  LiveView(const LiveView&) = delete;
  LiveView& operator=(const LiveView&) = delete;

  void begin(std::string title, size_t steps);
  // What is being done now.
  void now(const std::string& what);
  // One step is done, with its figure.
  void step(const std::string& row, double value, const std::string& unit);
  // A line about the whole, in place of the last one by it.
  void tell(const std::string& what);
  void note(const std::string& what);

  // The screen's text, for a terminal of that size. The widest bar is the largest median.
  std::string screen(size_t columns, size_t lines) const;

 private:
  struct Bar {
    std::string name;
    std::string unit;
    std::vector<double> values;
  };
  void draw();

  const ViewManner manner_;
  FILE* to_;
  std::string title_, now_, told_;
  size_t steps_ = 0, done_ = 0;
  std::vector<Bar> bars_;
  size_t drawn_ = 0;  // lines on the terminal
};

}  // namespace sluice::bench
