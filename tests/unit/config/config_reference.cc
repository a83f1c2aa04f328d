// Writes the reference page of the configuration, or says whether a file is that page still.
//
// usage: config_reference check FILE | config_reference write FILE
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string_view>

#include "control/config/reference_page.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string page = sluice::reference_page();
  if (argv[1] == std::string_view("write")) {
    std::ofstream(argv[2], std::ios::binary) << page;
    return 0;
  }
  std::ifstream file(argv[2], std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (text == page) return 0;
  std::printf("%s is not what the table of commands says: run %s write %s\n", argv[2], argv[0], argv[2]);
  return 1;
}
