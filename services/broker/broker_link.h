// BrokerLink: one connection's link in its broker: its policy, its handles, its programs; answers to its requests.
//
// Everything that a link got is freed with it. Work on side threads holds descriptors of its own and finds the link
// gone.
#pragma once

#include <deque>
#include <unordered_map>
#include <variant>

#include "services/broker/broker.h"
#include "services/broker/directory_reader.h"
#include "services/broker/long_operations.h"
#include "services/broker/tcp_connector.h"
#include "services/broker/user_listener.h"

namespace sluice {

class BrokerLink : public std::enable_shared_from_this<BrokerLink> {
 public:
  BrokerLink(Broker& broker, uint64_t number, UniqueFd socket, LinkPolicy policy);
  ~BrokerLink();
  // False: the kernel does not watch it; the link is dropped.
  bool begin();
  // A program of its own has ended.
  void on_exit(const ChildExited& exited);

 private:
  using Handle = std::variant<UniqueFd, DirectoryReader, UserListener>;
  struct Answer {
    std::vector<uint8_t> packet;
    std::vector<UniqueFd> descriptors;
    // Whose the first of them is again when it was sent; 0: nobody's.
    uint32_t handle = 0;
  };

  void on_ready(uint32_t events);
  void take_packets();
  bool full() const { return out_.size() + slow_ >= kMaxOpenRequestsOfLink; }
  void flush();
  void give_back(Answer& sent);
  void end();

  void answer(uint32_t request, const BrokerAnswer& body, std::vector<UniqueFd> descriptors = {}, uint32_t handle = 0);
  void answer(uint32_t request, const Outcome<void>& outcome);
  // The outcome's value as `Message`, or the failure.
  template <class Message, class T>
  void answer_with(uint32_t request, Outcome<T>&& outcome) {
    if (outcome)
      answer(request, Message{std::move(*outcome)});
    else
      answer(request, std::move(outcome.error()));
  }
  // Runs on a side thread; its outcome is answered if the link is still there.
  void aside(uint32_t request, std::function<BrokerAnswer(const std::atomic<bool>&)> work);

  std::string absolute(const std::string& path) const;
  std::string expanded(const std::string& path) const;
  // Null: no such handle of that kind; answered already.
  template <class T>
  T* handle_of(uint32_t request, uint32_t handle) {
    const auto found = handles_.find(handle);
    T* wanted = found == handles_.end() ? nullptr : std::get_if<T>(&found->second);
    if (!wanted) answer(request, failed(BrokerFault::bad_handle, "No such handle"));
    return wanted;
  }
  std::optional<uint32_t> add_handle(uint32_t request, Handle&& handle);
  // The descriptor of a file or directory; -1 when there is none, answered already.
  int any_descriptor(uint32_t request, uint32_t handle);
  // A second descriptor for work aside; empty when there is none, answered already.
  UniqueFd second_descriptor(uint32_t request, uint32_t handle);

  void take(uint32_t request, const OpenFile& open);
  void take(uint32_t request, const CloseHandle& close);
  void take(uint32_t request, const StatPath& stat);
  void take(uint32_t request, const StatHandle& stat);
  void take(uint32_t request, const ChangePath& change);
  void take(uint32_t request, const ChangeHandle& change);
  void take(uint32_t request, const OpenDirectory& open);
  void take(uint32_t request, const ReadDirectory& read);
  void take(uint32_t request, const ResolvePath& resolve);
  void take(uint32_t request, const ExpandPath& expand);
  void take(uint32_t request, const FindHome& find);
  void take(uint32_t request, const RemoveFile& remove);
  void take(uint32_t request, const MakeDirectory& make);
  void take(uint32_t request, const RemoveDirectory& remove);
  void take(uint32_t request, const RenameFile& rename);
  void take(uint32_t request, const ReplaceFile& replace);
  void take(uint32_t request, const ReadSymlink& read);
  void take(uint32_t request, const MakeSymlink& make);
  void take(uint32_t request, const MakeHardlink& make);
  void take(uint32_t request, const StatFilesystem& stat);
  void take(uint32_t request, const StatFilesystemOf& stat);
  void take(uint32_t request, const SyncFile& sync);
  void take(uint32_t request, const CopyData& copy);
  void take(uint32_t request, const CheckFile& check);
  void take(uint32_t request, const NameIds& name);
  void take(uint32_t request, const SpawnProgram& spawn);
  void take(uint32_t request, const SignalChild& signal);
  void take(uint32_t request, const ResizeTerminal& resize);
  void take(uint32_t request, const ConnectTcp& wanted);
  void take(uint32_t request, const ListenTcp& wanted);
  void take(uint32_t request, const ConnectUnix& wanted);
  void take(uint32_t request, const ListenUnix& wanted);
  void take(uint32_t request, const MakeAgentSocket& wanted);
  void connect(uint32_t request, std::vector<TcpAddress> addresses);
  void listen(uint32_t request, Outcome<UserListener>&& listener);

  Broker& broker_;
  const uint64_t number_;
  UniqueFd socket_;
  const LinkPolicy policy_;
  std::string start_folder_;
  std::unordered_map<uint32_t, Handle> handles_;
  uint32_t last_handle_ = 0;
  std::deque<Answer> out_;
  // Of connections that are being made, by their requests.
  std::unordered_map<uint32_t, std::shared_ptr<TcpConnector>> connectors_;
  size_t slow_ = 0;       // requests whose answers are being worked on
  uint32_t watched_ = 0;  // epoll's event bits
  bool ended_ = false;
};

}  // namespace sluice
