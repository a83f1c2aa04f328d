// The stack's face: sets the time, asks the table.
#include "dataplane/netstack/tcp_stack.h"

#include <utility>

#include "dataplane/netstack/tcp_table.h"

namespace sluice {

TcpStack::TcpStack(const TcpSettings& settings, SegmentSink& sink, uint64_t now_ns)
    : table_(std::make_unique<TcpTable>(settings, sink, now_ns)) {}

TcpStack::~TcpStack() = default;

bool TcpStack::listen(const IpEndpoint& at, TcpAcceptor& acceptor) { return table_->listen(at, acceptor); }

void TcpStack::stop_listening(const IpEndpoint& at) { table_->stop_listening(at); }

std::unique_ptr<TcpTransport> TcpStack::connect(const IpEndpoints& endpoints, uint64_t now_ns) {
  table_->set_now(now_ns);
  return table_->connect(endpoints);
}

void TcpStack::on_segment(const SegmentIn& segment, uint64_t now_ns) {
  table_->set_now(now_ns);
  table_->on_segment(segment);
}

void TcpStack::on_notice(const SegmentNotice& notice, uint64_t now_ns) {
  table_->set_now(now_ns);
  table_->on_notice(notice);
}

void TcpStack::end_burst(uint64_t now_ns) {
  table_->set_now(now_ns);
  table_->end_burst();
}

uint64_t TcpStack::next_deadline() const {
  const uint64_t at = table_->next_deadline_us();
  return at == UINT64_MAX ? at : at * 1000;
}

void TcpStack::advance(uint64_t now_ns) {
  table_->set_now(now_ns);
  table_->advance();
}

void TcpStack::resume(uint64_t now_ns) {
  table_->set_now(now_ns);
  table_->resume();
}

size_t TcpStack::connections() const { return table_->connections(); }
size_t TcpStack::time_waits() const { return table_->time_waits(); }
size_t TcpStack::half_open() const { return table_->half_open(); }
size_t TcpStack::memory_in_use() const { return table_->memory_in_use(); }
const TcpCounters& TcpStack::counters() const { return std::as_const(*table_).counters(); }

void TcpStack::show(const std::function<void(const TcpConnectionFacts&)>& each) const { table_->show(each); }

}  // namespace sluice
