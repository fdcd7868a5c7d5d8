"""Plays sessions in a terminal, and draws what was on its screen as an SVG that moves.

    capture.py OVERNIGHT FOLDER

Every frame is what the programs wrote, at the time when they wrote it. A viewer that does not move pictures,
or is asked not to, shows the last frame.
"""

import fcntl
import html
import json
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

import pyte

COLUMNS, ROWS = 100, 13
# How often the screen is looked at, and how long the last frame stands, in seconds.
LOOK, LAST = 0.25, 5.0
CELL, LINE, EDGE, HEAD = 8.4, 19, 16, 34
COLOURS = {
    "default": "#d6dde6", "black": "#5c6773", "red": "#f28779", "green": "#a6cc70", "brown": "#ffcc66",
    "blue": "#5ccfe6", "magenta": "#d4bfff", "cyan": "#95e6cb", "white": "#ffffff",
}


class Session:
    """A terminal with a prompt, into which commands are typed."""

    def __init__(self, folder, path):
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self.stream = pyte.ByteStream(self.screen)
        self.folder, self.path = folder, path
        self.began, self.frames = time.monotonic(), []

    def look(self):
        """Keeps the screen, when it is another than before."""
        rows = []
        for number in range(ROWS):
            cells = self.screen.buffer[number]
            row = [(cells[column].data, cells[column].fg, cells[column].bold) for column in range(COLUMNS)]
            while row and row[-1][0] == " ":
                row.pop()
            rows.append(row)
        if not self.frames or self.frames[-1][1] != rows:
            self.frames.append((time.monotonic() - self.began, rows))

    def show(self, text):
        self.stream.feed(text.encode())

    def type(self, command, shown=None):
        self.show("\x1b[32m$\x1b[0m ")
        shown = shown or command
        for at in range(0, len(shown), 6):
            self.show(shown[at : at + 6])
            time.sleep(0.05)
            self.look()
        self.show("\r\n")

    def run(self, command, stop_when=None):
        """Runs a command until it ends; Ctrl-C is pressed when the screen has that."""
        self.type(command)
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            environment = {"PATH": self.path, "TERM": "xterm-256color", "HOME": self.folder, "LANG": "C.UTF-8"}
            os.execvpe("bash", ["bash", "-c", "exec " + command], environment)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        looked = 0.0
        while True:
            ready, _, _ = select.select([terminal], [], [], LOOK)
            if ready:
                try:
                    written = os.read(terminal, 65536)
                except OSError:
                    break
                if not written:
                    break
                self.stream.feed(written)
            if time.monotonic() - looked > LOOK:
                looked = time.monotonic()
                self.look()
            if stop_when and any(re.search(stop_when, row) for row in self.screen.display):
                stop_when = None
                os.kill(pid, signal.SIGINT)
        os.waitpid(pid, 0)
        self.look()
        time.sleep(0.6)


def draw(frames, title):
    """The frames as one picture."""
    total = frames[-1][0] + LAST
    width, height = round(COLUMNS * CELL + 2 * EDGE), ROWS * LINE + HEAD + EDGE
    style, groups = [], []
    for number, (start, rows) in enumerate(frames):
        end = frames[number + 1][0] if number + 1 < len(frames) else total
        first, last = 100 * start / total, 100 * end / total
        begin = "" if number == 0 else "0%{visibility:hidden}"
        finish = "" if number + 1 == len(frames) else f"{last:.3f}%{{visibility:hidden}}"
        first = 0 if number == 0 else first
        style.append(f"@keyframes k{number}{{{begin}{first:.3f}%{{visibility:visible}}{finish}}}")
        style.append(f".k{number}{{animation:k{number} {total:.2f}s step-end infinite}}")
        lines = "".join(row_of(cells, at) for at, cells in enumerate(rows) if cells)
        still = " still" if number + 1 == len(frames) else ""
        groups.append(f'<g class="frame k{number}{still}">{lines}</g>')
    dots = "".join(f'<circle cx="{20 + 18 * n}" cy="17" r="5.5" fill="#3a4452"/>' for n in range(3))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{html.escape(title)}">'
        f"<title>{html.escape(title)}</title><style>"
        "text{font:14px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre}"
        ".frame{visibility:hidden}"
        f"{''.join(style)}"
        "@media (prefers-reduced-motion:reduce){.frame{animation:none}.still{visibility:visible}}"
        "</style>"
        f'<rect width="{width}" height="{height}" rx="9" fill="#1a212b"/>{dots}{"".join(groups)}</svg>\n'
    )


def row_of(cells, at):
    """A row of the screen, its characters of one colour together."""
    runs = []
    for data, colour, bold in cells:
        if runs and runs[-1][1:] == (colour, bold):
            runs[-1] = (runs[-1][0] + data, colour, bold)
        else:
            runs.append((data, colour, bold))
    spans, column = [], 0
    for data, colour, bold in runs:
        fill = COLOURS.get(colour) or (f"#{colour}" if len(colour) == 6 else COLOURS["default"])
        weight = ' font-weight="bold"' if bold else ""
        place = f'x="{EDGE + column * CELL:.1f}" textLength="{len(data) * CELL:.1f}"'
        spans.append(f'<tspan {place} fill="{fill}"{weight}>{html.escape(data)}</tspan>')
        column += len(data)
    return f'<text y="{HEAD + (at + 1) * LINE - 5}" xml:space="preserve">{"".join(spans)}</text>'


def requests(path, lines):
    with open(path, "w") as file:
        for number in range(lines):
            messages = [{"role": "user", "content": f"Is {number} prime?"}]
            body = {"model": "my-model", "messages": messages}
            line = {"custom_id": f"row-{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}
            file.write(json.dumps(line) + "\n")


def a_run(binary, folder):
    """A run that is stopped, and goes on."""
    bin_folder = pathlib.Path(folder, "bin")
    bin_folder.mkdir()
    bin_folder.joinpath("overnight").symlink_to(binary)
    requests(pathlib.Path(folder, "requests.jsonl"), 20_000)
    simulator = subprocess.Popen(
        [binary, "sim", "--models", "my-model", "--slots", "512", "--ttft-ms", "40", "--tpot-ms", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )
    simulator.stdout.readline()
    session = Session(folder, f"{bin_folder}:/usr/bin:/bin")
    command = "overnight run requests.jsonl -o answers.jsonl --upstream http://localhost:8000"
    session.look()
    session.run(command, stop_when=r"  4\d %")
    session.run(command)
    session.run("overnight verify requests.jsonl answers.jsonl")
    session.show("\x1b[32m$\x1b[0m ")
    session.look()
    simulator.terminate()
    simulator.wait()
    return session.frames


def main():
    binary, into = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        frames = a_run(binary, folder)
    picture = draw(frames, "A run that is stopped, started again, and goes on where it was")
    pathlib.Path(into, "run.svg").write_text(picture)
    print(f"{len(frames)} frames, {len(picture) // 1024} KiB", file=sys.stderr)


main()
