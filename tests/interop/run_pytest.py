#!/usr/bin/python3
"""Runs a pytest file with Debian's own Python and ends with a total that the test runner reads."""
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class Count:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, {}

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failed += 1
        elif report.skipped:
            self.skipped[report.nodeid] = report.longrepr[2].removeprefix("Skipped: ")
        elif report.when == "call":
            self.passed += 1


def main():
    count = Count()
    code = pytest.main(["-q", "-p", "no:cacheprovider", str(ROOT / sys.argv[1]), *sys.argv[2:]],
                       plugins=[count])
    for name, reason in count.skipped.items():
        print(f"SKIP {name}: {reason}")
    print(f"{count.passed} passed, {count.failed} failed, {len(count.skipped)} skipped")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
