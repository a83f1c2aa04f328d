// Fields between colons, where [ ] keep an address together.
#include "control/client/config/forward_spec.h"

#include <charconv>

#include "base/text.h"
#include "control/keys/words.h"

namespace sluice {
namespace {

struct Field {
  std::string text;
  bool bracketed = false;
};

std::optional<std::vector<Field>> split_fields(std::string_view text) {
  std::vector<Field> fields;
  for (;;) {
    Field field;
    if (text.starts_with('[')) {
      const size_t end = text.find(']');
      if (end == std::string_view::npos) return std::nullopt;
      field = {std::string(text.substr(1, end - 1)), true};
      text.remove_prefix(end + 1);
      if (!text.empty() && text.front() != ':') return std::nullopt;
    } else {
      const size_t end = std::min(text.find(':'), text.size());
      field.text = text.substr(0, end);
      text.remove_prefix(end);
    }
    fields.push_back(std::move(field));
    if (text.empty()) return fields;
    text.remove_prefix(1);
  }
}

// 0: the other end chooses.
std::optional<uint16_t> port_of(const std::string& text) {
  unsigned port = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), port);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size() || port > 65535) return std::nullopt;
  return static_cast<uint16_t>(port);
}

bool is_path(const Field& field) { return !field.bracketed && field.text.find('/') != std::string::npos; }

class SpecParser {
 public:
  explicit SpecParser(std::vector<Field> fields) : fields_(std::move(fields)) {}

  size_t left() const { return fields_.size() - next_; }

  std::optional<ForwardEnd> take_listen(size_t behind, bool zero_allowed) {
    ForwardEnd end;
    if (left() > 0 && is_path(fields_[next_])) {
      end.path = fields_[next_++].text;
      return end;
    }
    if (left() == behind + 2) {
      end.host = fields_[next_++].text;
      end.host_given = true;
    }
    if (left() != behind + 1) return std::nullopt;
    const auto port = port_of(fields_[next_++].text);
    if (!port || (*port == 0 && !zero_allowed)) return std::nullopt;
    end.port = *port;
    return end;
  }

  std::optional<ForwardEnd> take_target() {
    ForwardEnd end;
    if (left() == 1 && is_path(fields_[next_])) {
      end.path = fields_[next_++].text;
      return end;
    }
    if (left() != 2) return std::nullopt;
    end.host = fields_[next_++].text;
    const auto port = port_of(fields_[next_++].text);
    if (!port || *port == 0 || end.host.empty()) return std::nullopt;
    end.port = *port;
    end.host_given = true;
    return end;
  }

  size_t target_fields() const { return !fields_.empty() && is_path(fields_.back()) ? 1 : 2; }

 private:
  std::vector<Field> fields_;
  size_t next_ = 0;
};

tl::unexpected<std::string> bad(std::string_view text) {
  return fail(joined({"Bad forwarding specification '", printable(text), "'"}));
}

ResultOrText<ForwardSpec> parse(std::string_view text, ForwardKind kind, bool with_target) {
  auto fields = split_fields(text);
  if (!fields) return bad(text);
  ForwardSpec spec;
  spec.kind = kind;
  SpecParser parser(std::move(*fields));
  const auto listen = parser.take_listen(with_target ? parser.target_fields() : 0, kind == ForwardKind::remote);
  if (!listen) return bad(text);
  spec.listen = *listen;
  if (with_target) {
    spec.target = parser.take_target();
    if (!spec.target) return bad(text);
  }
  if (parser.left() != 0) return bad(text);
  return spec;
}

}  // namespace

std::string ForwardEnd::text() const {
  if (is_path()) return path;
  if (!host_given) return std::to_string(port);
  const bool six = host.find(':') != std::string::npos;
  std::string out(six ? "[" : "");
  return out.append(host).append(six ? "]:" : ":").append(std::to_string(port));
}

std::string ForwardSpec::text() const { return target ? joined({listen.text(), ":", target->text()}) : listen.text(); }

ResultOrText<ForwardSpec> parse_local_forward(std::string_view text) { return parse(text, ForwardKind::local, true); }

ResultOrText<ForwardSpec> parse_dynamic_forward(std::string_view text) {
  return parse(text, ForwardKind::local, false);
}

ResultOrText<ForwardSpec> parse_remote_forward(std::string_view text) {
  auto with = parse(text, ForwardKind::remote, true);
  return with ? with : parse(text, ForwardKind::remote, false);
}

ResultOrText<ForwardEnd> parse_host_port(std::string_view text) {
  auto fields = split_fields(text);
  if (!fields) return bad(text);
  SpecParser parser(std::move(*fields));
  const auto end = parser.take_target();
  if (!end || end->is_path()) return bad(text);
  return *end;
}

}  // namespace sluice
