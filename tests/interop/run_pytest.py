#!/usr/bin/python3
"""Runs a pytest file with Debian's own Python and reports like a GoogleTest program: GTEST_OUTPUT=json:FILE."""
import json
import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class Report:
    """One entry for each test, in the form that GoogleTest gives its JSON."""

    def __init__(self):
        self.cases = {}

    def pytest_runtest_logreport(self, report):
        file, _, name = report.nodeid.partition("::")
        case = self.cases.setdefault(report.nodeid, {"name": name, "classname": pathlib.Path(file).stem, "status": "RUN"})
        if report.failed:
            case["failures"] = [{"failure": f"in {report.when}"}]
        elif report.skipped:
            case.update(result="SKIPPED", skipped=[{"message": report.longrepr[2].removeprefix("Skipped: ")}])

    def pytest_collectreport(self, report):
        # A file that cannot be read has tests that nobody counts.
        if report.failed:
            self.cases[report.nodeid] = {"name": report.nodeid, "classname": "collection", "failures": [{"failure": str(report.longrepr)}]}

    def write(self, path):
        path.write_text(json.dumps({"testsuites": [{"testsuite": list(self.cases.values())}]}))


def main():
    report = Report()
    code = pytest.main(["-q", "-p", "no:cacheprovider", str(ROOT / sys.argv[1]), *sys.argv[2:]], plugins=[report])
    where = os.environ.get("GTEST_OUTPUT", "").removeprefix("json:")
    if where:
        report.write(pathlib.Path(where))
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
