"""Decode every file below a folder, whatever it is, and print what became of it.

    python benchmarks/odd_files.py FOLDER [--mutants 3] [--json FILE]

Each file is decoded in a child process as `infomax index` does, to the square of a model and to a thumbnail. A file
that ends the child, takes more than 10 seconds of processor time or more than 3 GB, raises anything but BrokenImage, or
lets a library write to stderr is a failure, and the exit code is 1. With `--mutants N` each file of up to 200 kB is
also decoded N times with a few bytes flipped or its end cut off, as a fuzzer does. Linux only.
"""

import argparse
import json
import os
import re
import resource
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

SECONDS, GIGABYTES = 10.0, 3.0  # of processor time and of memory, for one file
_WALL = 20  # times SECONDS after which a child that does not answer is killed: the machine may be busy
_MUTANT_BYTES = 200_000


@dataclass
class Findings:
    """What became of the files.

    Attributes:
        used: Files that were decoded.
        skipped: Files by reason, without the numbers in it.
        failures: File and what is wrong, for each broken promise.
        slowest: Processor seconds and file of the slowest.
        largest: Peak memory in GB and file of the largest.

    """

    used: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, str]] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    largest: tuple[float, str] = (0.0, "")


class Child:
    """A process that decodes files, one after the other. It is started again when a file ends it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115

    def decode(self, path: Path) -> dict[str, float | str]:
        """Decode a file. The answer has "reason" ("" if it was used), "seconds", "gigabytes" and "stderr"."""
        if self._process is None or self._process.poll() is not None:
            command = [sys.executable, __file__, "--child"]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        before = os.fstat(self._stderr.fileno()).st_size
        self._process.stdin.write(os.fsencode(path).replace(b"\n", b"\0") + b"\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], SECONDS * _WALL)
        line = self._process.stdout.readline() if ready else b""
        answer: dict[str, float | str]
        if line:
            answer = json.loads(line)
        else:
            problem = f"ended by signal {-self._process.wait()}" if ready else f"no answer in {SECONDS * _WALL:.0f} s"
            self.close()
            answer = {"failure": problem, "reason": "", "seconds": 0.0, "gigabytes": 0.0}
        return answer | {"stderr": os.pread(self._stderr.fileno(), 2000, before).decode("utf-8", "replace")}

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def examine(paths: list[Path], root: Path, mutants: int) -> Findings:
    """Decode files, and damaged copies of those that are images, and collect what became of them."""
    findings, child = Findings(), Child()
    with tempfile.TemporaryDirectory() as temporary:
        for path in paths:
            name = path.relative_to(root).as_posix()
            answer = child.decode(path)
            record(findings, name, answer)
            if answer["reason"] != "not an image" and path.stat().st_size <= _MUTANT_BYTES:
                for number in range(mutants):
                    mutant = Path(temporary) / f"mutant{path.suffix}"
                    mutant.write_bytes(damaged(path.read_bytes(), f"{name} {number}"))
                    record(findings, f"{name} (mutant {number})", child.decode(mutant))
    child.close()
    return findings


def record(findings: Findings, name: str, answer: dict[str, float | str]) -> None:
    """Add what became of a file."""
    seconds, memory = float(answer["seconds"]), float(answer["gigabytes"])
    findings.slowest = max(findings.slowest, (seconds, name))
    findings.largest = max(findings.largest, (memory, name))
    if "failure" in answer:
        findings.failures.append((name, str(answer["failure"])))
    elif answer["reason"]:
        findings.skipped[re.sub(r"\d+", "N", str(answer["reason"]))[:60]] += 1
    else:
        findings.used += 1
    for broken, what in (
        (seconds > SECONDS, f"{seconds:.1f} s"),
        (memory > GIGABYTES, f"{memory:.1f} GB"),
        (bool(answer["stderr"]), f"stderr: {str(answer['stderr']).strip()[:200]}"),
    ):
        if broken:
            findings.failures.append((name, what))


def damaged(content: bytes, seed: str) -> bytes:
    """Flip a few bytes of a file, and often cut its end off."""
    random, changed = Random(seed), bytearray(content)
    for _ in range(random.randint(1, 8) if changed else 0):
        place = random.randrange(len(changed))
        changed[place] = random.choice([0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)])
    if random.random() < 0.4:
        del changed[random.randrange(len(changed) + 1) :]
    return bytes(changed)


def serve() -> None:
    """Decode the files that are named on stdin, and answer on stdout in JSON."""
    from infomax.decoding.broken import BrokenImage
    from infomax.decoding.image import crop_resize, no_pillow_warnings, open_image, to_rgb

    resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
    with no_pillow_warnings():
        for line in sys.stdin.buffer:
            path = Path(os.fsdecode(line.rstrip(b"\n").replace(b"\0", b"\n")))
            Path("/proc/self/clear_refs").write_text("5")  # start a new peak
            base, start = _memory("VmRSS"), time.process_time()
            answer: dict[str, float | str] = {"reason": ""}
            try:
                with open_image(path, 256) as opened:
                    crop_resize(opened.image, 64)
                    to_rgb(opened.image).thumbnail((256, 256))
            except BrokenImage as broken:
                answer["reason"] = broken.reason
            except BaseException as error:
                answer["failure"] = f"{type(error).__name__}: {error}"
            answer["seconds"] = time.process_time() - start
            answer["gigabytes"] = max(0.0, _memory("VmHWM") - base)
            print(json.dumps(answer), flush=True)


def _memory(name: str) -> float:
    """A figure of /proc/self/status in GB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / (1 << 20)


def print_table(findings: Findings, total: int) -> None:
    """Print what became of the files."""
    print(f"| {total} files | count |\n|---|---|\n| used | {findings.used} |")
    for reason, count in findings.skipped.most_common():
        print(f"| {reason} | {count} |")
    print(f"\nslowest: {findings.slowest[0]:.1f} s of processor time, {findings.slowest[1]}")
    print(f"largest: {findings.largest[0]:.2f} GB, {findings.largest[1]}")
    print(f"failures: {len(findings.failures)}")
    for name, problem in findings.failures:
        print(f"  {name}: {problem}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--mutants", type=int, default=0, help="damaged copies of each small file")
    parser.add_argument("--json", type=Path, help="also write the result here")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        serve()
        return
    if options.folder is None:
        parser.error("name a folder of odd files")
    paths = sorted(path for path in options.folder.rglob("*") if path.is_file() and not path.is_symlink())
    findings = examine(paths, options.folder, options.mutants)
    total = findings.used + findings.skipped.total() + sum("signal" in what for _, what in findings.failures)
    print_table(findings, total)
    if options.json is not None:
        options.json.write_text(json.dumps(vars(findings), indent=2))
    sys.exit(bool(findings.failures))


if __name__ == "__main__":
    main()
