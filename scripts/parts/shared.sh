#!/usr/bin/env bash
# Keeps one server for all test processes that want it, and ends it when none has wanted it for some
# seconds. Who wants it holds a shared lock on FOLDER/users.
#
#   shared.sh FOLDER SIGNAL COMMAND...
#
# The command serves what is in FOLDER/server, which is empty at first, prints "ready", and ends with
# the signal.
source "$(dirname "$0")/../common.sh"

folder=$1 signal=$2
shift 2
need flock "servers that tests share"
exec 9>>"$folder/users"
rm -rf "$folder/server"
"$@" 9>&- &
server=$!
# Whoever started this reads the word of the server, and may be gone soon.
exec >/dev/null 2>&1

idle=0
while kill -0 "$server" 2>/dev/null; do
  sleep 1
  if flock --exclusive --nonblock 9; then
    idle=$((idle + 1))
    # With the lock: whoever comes now waits until the server is gone, and starts another.
    [ $idle -lt 10 ] || break
    flock --unlock 9
  else
    idle=0
  fi
done
kill "-$signal" "$server" 2>/dev/null || true
wait "$server" || true
rm -rf "$folder/server"
