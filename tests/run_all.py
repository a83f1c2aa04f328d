#!/usr/bin/env python3
"""Runs every test and prints one total: N passed, N failed, N skipped.

Each build folder's tests come from Meson; a GoogleTest program or a pytest file counts as many tests as it has cases.
As many run at once as there are processors, those of a high Meson priority first; what Meson calls not parallel runs
alone, at the end. Skips are printed with their reasons and compared with tests/skips.txt.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILDS = ["build", "build-asan", "build-tsan"]
# Programs with threads of their own, the only ones that ThreadSanitizer has something to say about.
THREADED = {"base", "client", "storm", "rekey_storm", "offload", "transport", "auth", "monitor", "broker", "engine",
            "sftp_client", "copy", "client_session"}
# Of whoever runs the tests: no agent, no question on a screen, nothing that a program reads in a home folder.
NOT_FOR_TESTS = {"SSH_AUTH_SOCK", "SSH_AGENT_PID", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "DISPLAY", "WAYLAND_DISPLAY",
                 "GIT_DIR", "GIT_WORK_TREE", "GIT_SSH", "GIT_SSH_COMMAND", "RSYNC_RSH"}


# What GoogleTest says of cases that are well: left out, so that a case that began and never ended stands last.
GTEST_WELL = ("[       OK ]", "[----------]", "[==========]", "[  PASSED  ]")


class Total:
    def __init__(self):
        self.passed, self.failed, self.skips = 0, [], []
        # For what is above and for the terminal.
        self.lock = threading.Lock()


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


def environment_of(test, scratch, options):
    own = {name: value for name, value in os.environ.items() if name not in NOT_FOR_TESTS}
    home = scratch / "home"
    home.mkdir(mode=0o700)
    if options.full:
        own.update(SLUICE_TEST_FULL="1", SLUICE_TEST_PART=options.part)
    # A test's own wishes come last.
    own.update({"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1", "UBSAN_OPTIONS": "print_stacktrace=1",
                "TSAN_OPTIONS": "halt_on_error=1"} | test.get("env", {}),
               HOME=str(home), GTEST_OUTPUT=f"json:{scratch / 'report.json'}")
    return own


def command_of(test, options):
    """A full cross waits for its peers more than it computes: two processes of pytest a processor share its rows."""
    shared = options.full and any(suite.endswith(":cross") for suite in test["suite"])
    return test["cmd"] + (["-n", str(2 * (os.cpu_count() or 1))] if shared else [])


def without_what_is_well(output):
    lines = output.splitlines()
    kept = []
    for line in lines:
        if line.startswith("[       OK ]") and kept and kept[-1].startswith("[ RUN      ]"):
            kept.pop()
        elif not line.startswith(GTEST_WELL):
            kept.append(line)
    return "\n".join(kept)


RUNNING = set()


def end_all(*_):
    """Whoever ends the runner ends what it started: those are process groups of their own."""
    for process in list(RUNNING):
        kill_group(process)
    os._exit(130)


def kill_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run_to_its_end(command, cwd, environment, output, patience):
    """Exit code 124 for what does not end; whatever it started goes with it."""
    process = subprocess.Popen(command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=output,
                               stderr=subprocess.STDOUT, start_new_session=True)
    RUNNING.add(process)
    try:
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        # Time to say where: pytest and a sanitizer do at this signal.
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            pass
        return 124
    finally:
        kill_group(process)
        process.wait()
        RUNNING.discard(process)


def run_program(test, build, options, total):
    label = f"{build}/{test['name']}"
    started = time.monotonic()
    # A machine that others load is no reason to fail: a limit is there for what hangs.
    patience = 2 * max(test["timeout"], 300) * (8 if options.full else 1)
    with tempfile.TemporaryDirectory(prefix="sluice-run-") as folder:
        scratch = pathlib.Path(folder)
        report, text = scratch / "report.json", scratch / "output"
        with open(text, "wb") as output:
            # Meson's commands are relative to the build folder.
            code = run_to_its_end(command_of(test, options), ROOT / build, environment_of(test, scratch, options), output, patience)
        output = text.read_text(errors="replace") + (f"\nno end after {patience} s" if code == 124 else "")
        with total.lock:
            before = len(total.failed)
            if report.exists():
                count_gtest(json.loads(report.read_text()), label, total)
            elif code == 0:
                total.passed += 1
            if code != 0 and len(total.failed) == before:
                total.failed.append(f"{label}: exit code {code}")
            print(f"{'ok  ' if code == 0 else 'FAIL'} {label} ({time.monotonic() - started:.1f} s)", flush=True)
            if code != 0:
                print(without_what_is_well(output)[-8000:], flush=True)


def run_tests(tests, jobs, options, total):
    """tests: pairs of a build folder and a test."""
    ordered = sorted(tests, key=lambda pair: -pair[1]["priority"])
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        together = [pool.submit(run_program, test, build, options, total) for build, test in ordered if test["is_parallel"]]
        for future in concurrent.futures.as_completed(together):
            future.result()
    for build, test in ordered:
        if not test["is_parallel"]:
            run_program(test, build, options, total)


def known_skips():
    lines = (ROOT / "tests" / "skips.txt").read_text().splitlines()
    return [line.split(" -- ", 1)[0].strip() for line in lines if line.strip() and not line.startswith("#")]


def part(text):
    match = re.fullmatch(r"([1-9][0-9]*)/([1-9][0-9]*)", text)
    if not match or int(match[1]) > int(match[2]):
        raise argparse.ArgumentTypeError(f"{text}: a part and how many there are is expected, 1/20 to 20/20 say")
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="long matrices and many seeds too")
    parser.add_argument("--part", type=part, default="1/1", metavar="K/N", help="of the full crosses of algorithms only this part")
    parser.add_argument("--only", default="", help="only tests whose name contains this")
    parser.add_argument("--build", action="append", choices=BUILDS, help="only this build folder's (may be repeated)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at once (default: one a processor)")
    parser.add_argument("--programs", metavar="FOLDER", help="only print what a build folder's tests need")
    options = parser.parse_args()
    if options.programs:
        print("\n".join(programs_of(options.programs)))
        return 0
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, end_all)
    total = Total()
    tests = [(build, test) for build in options.build or BUILDS for test in meson_tests(build) if options.only in test["name"]]
    run_tests(tests, max(1, options.jobs), options, total)
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
