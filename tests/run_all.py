#!/usr/bin/env python3
"""Runs every test and prints one total: N passed, N failed, N skipped.

Each build folder's tests come from Meson; a GoogleTest program counts as many tests as it has cases. Skips are printed
with their reasons and compared with tests/skips.txt.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILDS = ["build", "build-asan", "build-tsan"]
# Programs with threads of their own, the only ones that ThreadSanitizer has something to say about.
THREADED = {"base", "client", "storm", "rekey_storm", "offload", "transport", "auth", "monitor", "broker"}
FULL_ENVIRONMENT = {"SLUICE_TEST_FULL": "1"}


class Total:
    def __init__(self):
        self.passed, self.failed, self.skips = 0, [], []


def introspect(build, what):
    if not (ROOT / build / "build.ninja").exists():
        sys.exit(f"{build} is not built: run ./dev test")
    listing = subprocess.run(["meson", "introspect", what, build], cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(listing.stdout)


def meson_tests(build):
    return [t for t in introspect(build, "--tests") if build != "build-tsan" or t["name"] in THREADED]


def programs_of(build):
    """What Ninja must build for the tests of a folder: a sanitizer's build of all the rest would be for nobody."""
    folder = ROOT / build
    files = {t["id"]: t["filename"] for t in introspect(build, "--targets")}
    wanted = set()
    for test in meson_tests(build):
        wanted.update(name for target in test["depends"] for name in files.get(target, []))
        wanted.update(word for word in test["cmd"] if str(word).startswith(f"{folder}/"))
    return sorted(name[len(f"{folder}/"):] for name in wanted if name.startswith(f"{folder}/") and ".." not in name)


def count_gtest(report, label, total):
    for suite in report["testsuites"]:
        for case in suite["testsuite"]:
            name = f"{label}: {case['classname']}.{case['name']}"
            if case.get("failures"):
                total.failed.append(name)
            elif case.get("result") == "SKIPPED" or case.get("status") == "NOTRUN":
                total.skips.append((name, skip_reason(case)))
            else:
                total.passed += 1


def skip_reason(case):
    for entry in case.get("skipped", []):
        return entry.get("message", "").strip().splitlines()[-1]
    return "no reason given"


def run_program(test, build, options, total):
    label = f"{build}/{test['name']}"
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        report = pathlib.Path(scratch) / "report.json"
        environment = dict(os.environ, **test.get("env", {}), GTEST_OUTPUT=f"json:{report}", GTEST_BRIEF="1",
                           ASAN_OPTIONS="detect_leaks=1:abort_on_error=1", UBSAN_OPTIONS="print_stacktrace=1",
                           TSAN_OPTIONS="halt_on_error=1")
        if options.full:
            environment.update(FULL_ENVIRONMENT)
        try:
            # Meson's commands are relative to the build folder.
            done = subprocess.run(test["cmd"], cwd=ROOT / build, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True, errors="replace", timeout=test["timeout"] * (8 if options.full else 1))
            code, output = done.returncode, done.stdout
        except subprocess.TimeoutExpired as late:
            code, output = 124, f"{late.stdout or ''}\nno end after {late.timeout} s"
        before = len(total.failed)
        if report.exists():
            count_gtest(json.loads(report.read_text()), label, total)
        elif code == 0:
            total.passed += 1
        if code != 0 and len(total.failed) == before:
            total.failed.append(f"{label}: exit code {code}")
    print(f"{'ok  ' if code == 0 else 'FAIL'} {label} ({time.monotonic() - started:.1f} s)", flush=True)
    if code != 0:
        print(output[-8000:])


def known_skips():
    lines = (ROOT / "tests" / "skips.txt").read_text().splitlines()
    return [line.split(" -- ", 1)[0].strip() for line in lines if line.strip() and not line.startswith("#")]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="long matrices and many seeds too")
    parser.add_argument("--only", default="", help="only tests whose name contains this")
    parser.add_argument("--programs", metavar="FOLDER", help="only print what a build folder's tests need")
    options = parser.parse_args()
    if options.programs:
        print("\n".join(programs_of(options.programs)))
        return 0
    total = Total()
    for build in BUILDS:
        for test in meson_tests(build):
            if options.only in test["name"]:
                run_program(test, build, options, total)
    for name, reason in total.skips:
        print(f"SKIP {name}: {reason}")
    if os.geteuid() == 0 and os.environ.get("CI"):
        known = known_skips()
        for name, reason in total.skips:
            if not any(name.endswith(entry) for entry in known):
                total.failed.append(f"{name}: skipped ({reason}) but not listed in tests/skips.txt")
    for name in total.failed:
        print(f"FAILED {name}")
    print(f"{total.passed} passed, {len(total.failed)} failed, {len(total.skips)} skipped")
    return 1 if total.failed or total.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
