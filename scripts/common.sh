# What the scripts share: where things are, how they speak, and how they install. To be sourced.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Everything fetched lands here: outside of version control, and kept over `cargo clean -p`.
parts=$root/target/parts

say() {
  printf '%s\n' "$*" >&2
}

die() {
  say "error: $*"
  exit 1
}

# need COMMAND WHAT: ends when the command is missing.
need() {
  command -v "$1" >/dev/null || die "$1 is needed for $2; install it first"
}

# A virtual environment with exactly the packages of a requirements file. It is made anew when the
# file changes, and a half-made one is never taken for a whole one: the copy of the file is its last
# piece.
#
# python_packages FOLDER REQUIREMENTS [PIP FLAG...]
python_packages() {
  local folder=$1 requirements=$2
  shift 2
  if cmp -s "$requirements" "$folder/requirements.installed"; then
    return
  fi
  need python3 "${folder##*/}"
  say "fetching ${folder##*/} ..."
  rm -rf "$folder"
  python3 -m venv "$folder" || die "python3 cannot make a virtual environment (on Debian: apt-get install python3-venv)"
  "$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps "$@" --requirement "$requirements"
  cp "$requirements" "$folder/requirements.installed"
}

# A port of loopback that nobody listens on.
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
