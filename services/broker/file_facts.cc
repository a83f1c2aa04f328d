// From errno to the few faults that services tell apart.
#include "services/broker/file_facts.h"

#include <cerrno>
#include <cstring>
#include <utility>

namespace sluice {

BrokerFault fault_of(int system_error) {
  switch (system_error) {
    case ENOENT:
    case ESRCH:
    case ENXIO:
    case ENODEV: return BrokerFault::not_found;
    case EACCES:
    case EPERM: return BrokerFault::refused;
    case EEXIST:
    case ENOTEMPTY: return BrokerFault::exists;
    case ENOTDIR: return BrokerFault::not_directory;
    case EISDIR: return BrokerFault::is_directory;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return BrokerFault::no_space;
    case EROFS: return BrokerFault::read_only;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EMLINK: return BrokerFault::too_many;
    case EBADF: return BrokerFault::bad_handle;
    case EINVAL:
    case ESPIPE:
    case EDOM: return BrokerFault::invalid;
    case ENAMETOOLONG: return BrokerFault::name_too_long;
    case ELOOP: return BrokerFault::loop;
    case EXDEV: return BrokerFault::cross_device;
    case ENOSYS:
    case EOPNOTSUPP:
    case ENOTTY:
    case EAFNOSUPPORT: return BrokerFault::unsupported;
    case EBUSY:
    case ETXTBSY:
    case EADDRINUSE:
    case EAGAIN: return BrokerFault::busy;
    case ECONNREFUSED:
    case ECONNRESET:
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EADDRNOTAVAIL: return BrokerFault::not_reachable;
    case ETIMEDOUT: return BrokerFault::timed_out;
    default: return BrokerFault::io;
  }
}

Failure failure_of(int system_error) {
  return {fault_of(system_error), static_cast<uint32_t>(system_error),
          ::strerrordesc_np(system_error) ? ::strerrordesc_np(system_error) : "Unknown error"};
}

Failure failed(BrokerFault fault, std::string text) { return {fault, 0, std::move(text)}; }

}  // namespace sluice
