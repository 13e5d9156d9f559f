#!/bin/sh
# A virtual environment with exactly the packages of a lock file:  setup_python.sh PYTHON FOLDER LOCK
set -eu
python=$1 folder=$2 lock=$3

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    echo "Muster needs Python 3.11 or later; '$python' is not. Give one: make PYTHON=/path/to/python3.12 …" >&2
    exit 1
}
if ! [ -x "$folder/bin/pip" ]; then
    # Debian keeps what `venv` needs in a package of its own.
    "$python" -m venv "$folder" >/dev/null 2>&1 || {
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        rm -rf "$folder"
        if command -v apt-get >/dev/null; then
            sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
            echo "Installing python$version-venv …"
            { $sudo apt-get update && $sudo apt-get install -y "python$version-venv"; } >/dev/null || true
        fi
        "$python" -m venv "$folder" || {
            echo "Could not make a virtual environment; install Python's venv module (python$version-venv)." >&2
            exit 1
        }
    }
fi
echo "Installing the packages of $lock into $folder …"
"$folder/bin/python" -m pip install -qq --disable-pip-version-check --no-input --require-hashes -r "$lock"
