// Result<T>: a value or the peer's fault. Exceptions do not cross our boundaries.
#pragma once

#include <string>
#include <tl/expected.hpp>

#include "base/error.h"

namespace sluice {

template <class T>
using Result = tl::expected<T, ErrorCode>;

// For set-up and configuration, where the reader is a person and the text is the answer.
template <class T>
using ResultOrText = tl::expected<T, std::string>;

inline tl::unexpected<ErrorCode> fail(ErrorCode code) { return tl::unexpected<ErrorCode>(code); }
inline tl::unexpected<std::string> fail(std::string text) { return tl::unexpected<std::string>(std::move(text)); }

}  // namespace sluice
