"""Packs a binary into a wheel, so that `pip install` puts it beside Python's own programs. Nothing is
fetched when it is installed or run.

    wheel.py BINARY VERSION MACHINE FOLDER
"""

import base64
import hashlib
import pathlib
import sys
import zipfile

# A static binary runs with every C library.
PLATFORMS = ("manylinux2014", "manylinux_2_17", "musllinux_1_1")

# Wheels of the same bytes are the same.
TIME = (2020, 1, 1, 0, 0, 0)


def main():
    binary, version, machine, folder = sys.argv[1:]
    readme = pathlib.Path(__file__).parents[2] / "README.md"
    tag = "py3-none-" + ".".join(f"{platform}_{machine}" for platform in PLATFORMS)
    about = f"overnight-{version}.dist-info"
    files = [
        (f"overnight-{version}.data/scripts/overnight", 0o755, pathlib.Path(binary).read_bytes()),
        (
            f"{about}/METADATA",
            0o644,
            "\n".join(
                [
                    "Metadata-Version: 2.3",
                    "Name: overnight",
                    f"Version: {version}",
                    "Summary: A batch API for the models you run yourself",
                    "License-Expression: Apache-2.0",
                    "Requires-Python: >=3.8",
                    "Description-Content-Type: text/markdown",
                    "",
                    readme.read_text(),
                ]
            ).encode(),
        ),
        (
            f"{about}/WHEEL",
            0o644,
            "\n".join(
                ["Wheel-Version: 1.0", "Generator: overnight", "Root-Is-Purelib: false"]
                + [f"Tag: py3-none-{platform}_{machine}" for platform in PLATFORMS]
                + [""]
            ).encode(),
        ),
    ]
    record = []
    with zipfile.ZipFile(pathlib.Path(folder) / f"overnight-{version}-{tag}.whl", "w") as wheel:

        def add(name, mode, content):
            entry = zipfile.ZipInfo(name, TIME)
            entry.external_attr = (0o100000 | mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            wheel.writestr(entry, content)

        for name, mode, content in files:
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.append(f"{name},sha256={digest},{len(content)}")
            add(name, mode, content)
        record.append(f"{about}/RECORD,,")
        add(f"{about}/RECORD", 0o644, "\n".join([*record, ""]).encode())


main()
