#!/usr/bin/env python3
"""The house rules of DESIGN.md that a program can check: format, who may include whom, where vendor headers may be,
file sizes, first lines, dead files, and that docs/PROTOCOL.md knows each name of a vendor that the code does.

Prints each breach as file:line: what and exits 1 when there is one.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ["apps", "base", "crypto_offload", "drivers", "dataplane", "control", "services", "bench", "tests"]

# Who may include whom. A string is a folder, or a single header of one.
MAY_INCLUDE = {
    "base": {"base"},
    "crypto_offload": {"crypto_offload", "base"},
    "drivers": {"drivers", "crypto_offload", "base", "dataplane/transport.h", "dataplane/send_ring.h",
                "dataplane/netstack/net_port.h", "dataplane/netstack/inet_checksum.h"},
    "dataplane": {"dataplane", "crypto_offload", "base"},
    "control": {"control", "base", "crypto_offload/cipher_suite.h", "dataplane/control_port.h", "dataplane/porch.h"},
    "services": {"services", "base", "dataplane/channel.h"},
    "apps": set(FOLDERS),
    "bench": set(FOLDERS),
    "tests": set(FOLDERS),
}
VENDOR = {
    re.compile(r"^rte_"): {"drivers", "bench", "tests"},
    re.compile(r"^intel-ipsec-mb\.h$"): {"drivers", "bench", "tests"},
    re.compile(r"^openssl/"): {"drivers", "bench", "tests", "control"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
# Aims of DESIGN.md are 400 and 150 lines; beyond these a file has outgrown its purpose.
MOST_LINES = {".cc": 500, ".h": 220}
# A name of the protocol that is somebody's own, RFC 4250 section 4.6.1.
VENDOR_NAME = re.compile(r'"([a-z0-9-]+@[a-z]+(?:\.[a-z]+)+)"')
# Constant tables are as long as their facts.
TABLES = re.compile(r"_tables?\.(cc|h)$")


def sources():
    tracked = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                             capture_output=True, text=True).stdout.split()
    return [p for p in tracked if p.split("/")[0] in FOLDERS and p.endswith((".h", ".cc")) and (ROOT / p).exists()]


def check_includes(path, lines, report):
    folder = path.split("/")[0]
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quoted, name = match.group(1) == '"', match.group(2)
        if quoted:
            if not (ROOT / name).exists():
                report(path, number, f'"{name}" is not a path from the root of the source')
            elif not any(name == allowed or name.startswith(allowed + "/") for allowed in MAY_INCLUDE[folder]):
                report(path, number, f"{folder} may not include {name}")
        for pattern, folders in VENDOR.items():
            if pattern.match(name) and folder not in folders:
                report(path, number, f"{name} belongs to {', '.join(sorted(folders))}")


def check_shape(path, lines, report):
    if not lines or not lines[0].startswith("// "):
        report(path, 1, "the first line says what the file owns")
    if path.endswith(".h") and "#pragma once" not in lines:
        report(path, 1, "a header has #pragma once")
    most = MOST_LINES[pathlib.Path(path).suffix]
    if len(lines) > most and not TABLES.search(path) and not path.startswith("tests/"):
        report(path, len(lines), f"{len(lines)} lines: split it by purpose (at most {most})")
    for number, line in enumerate(lines, 1):
        if re.search(r"\b(TODO|FIXME|XXX)\b", line):
            report(path, number, "an open end: finish it or file it")


def check_dead(paths, report):
    """A .cc that no meson.build names, a header that nobody includes."""
    builds = "\n".join(p.read_text() for p in ROOT.glob("**/meson.build") if "build" not in p.relative_to(ROOT).parts[0])
    included = set()
    for path in paths:
        for line in (ROOT / path).read_text().splitlines():
            match = INCLUDE.match(line)
            if match:
                included.add(match.group(2))
    for path in paths:
        name = pathlib.Path(path).name
        if path.endswith(".cc") and name not in builds and f"'{pathlib.Path(path).stem}'" not in builds:
            report(path, 1, "no meson.build builds it")
        if path.endswith(".h") and path not in included:
            report(path, 1, "nobody includes it")


def check_protocol_page(paths, report):
    page = (ROOT / "docs" / "PROTOCOL.md").read_text()
    for path in paths:
        if path.split("/")[0] in ("tests", "bench"):
            continue
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1):
            for name in VENDOR_NAME.findall(line):
                if name not in page:
                    report(path, number, f"docs/PROTOCOL.md does not know {name}")


def check_format(paths, report):
    done = subprocess.run(["clang-format", "--dry-run", "--Werror", *paths], cwd=ROOT, capture_output=True, text=True)
    for line in done.stderr.splitlines():
        match = re.match(r"([^:]+):(\d+):\d+: (?:error|warning): (.*)", line)
        if match:
            report(match.group(1), int(match.group(2)), "clang-format: run clang-format -i on it")


def main():
    breaches = []
    paths = sources()
    report = lambda path, line, what: breaches.append(f"{path}:{line}: {what}")
    for path in paths:
        lines = (ROOT / path).read_text().splitlines()
        check_includes(path, lines, report)
        check_shape(path, lines, report)
    check_dead(paths, report)
    check_protocol_page(paths, report)
    check_format(paths, report)
    for breach in sorted(set(breaches)):
        print(breach)
    print(f"tidy: {len(paths)} files, {len(set(breaches))} breaches")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
