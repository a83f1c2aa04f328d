// Orders between sluiced's first process, which may do everything, and its network process, which may do nothing but
// talk.
//
// Packets of a SOCK_SEQPACKET pair: a letter, with descriptors. The network process says `up` when it serves and
// `failed` with a reason; it is told to begin (a memory file with its part of the configuration, its end of the
// monitor's link, sockets), to reload (such a file, and new sockets), to drain, to stop. What operators ask is `ask`, a
// number and words; its `answer` is the number and a memory file. Lines of debugging come as `debug`: kind, session,
// the address, the line, with blanks between.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace sluice {

// In the text of a reload: its second descriptor is the log's file; its sockets take the place of those before, even
// where there are none.
inline constexpr std::string_view kWithLogFile = "log ", kListenAnew = "listen";

// The text of a beginning where standard error belongs to somebody who reads it.
inline constexpr std::string_view kForeground = "foreground";

enum class Order : char {
  begin = 'B',
  reload = 'R',
  drain = 'D',
  stop = 'S',
  count = 'C',
  up = 'U',
  failed = 'F',
  ask = 'Q',
  answer = 'A',
  debug = 'G'
};

// Of one order; a reload brings the text and the sockets. The kernel takes 253.
inline constexpr size_t kMostOrderDescriptors = 250;

struct ReceivedOrder {
  Order order;
  std::string text;
  std::vector<UniqueFd> descriptors;
};

class ProcessLink {
 public:
  static ResultOrText<std::pair<ProcessLink, ProcessLink>> make_pair();
  explicit ProcessLink(UniqueFd end) : end_(std::move(end)) {}

  int descriptor() const { return end_.get(); }
  // False: the other side is gone, or there were too many descriptors.
  bool send(Order order, std::string_view text = {}, const std::vector<int>& descriptors = {});
  // Rather not at all than later.
  bool offer(Order order, std::string_view text);
  // Waits for it.
  std::optional<ReceivedOrder> receive_first();
  // Nothing: none is there, or the other side is gone (ended()).
  std::optional<ReceivedOrder> receive();
  bool ended() const { return ended_; }

 private:
  UniqueFd end_;
  bool ended_ = false;
};

// A file in memory that holds the text, to be sent; and what is in one.
ResultOrText<UniqueFd> text_file(std::string_view text);
ResultOrText<std::string> read_text_file(int descriptor, size_t most);

}  // namespace sluice
