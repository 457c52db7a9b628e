#!/bin/sh
# Run once by Gradescope, as root and with network, when it builds the image. Whatever fails here stops the build.
set -eu
root=${AUTOGRADER_ROOT:-/autograder}
source=$root/source

apt-get update
apt-get install -y --no-install-recommends ca-certificates python3 python3-venv util-linux
python3 -m venv "$root/uv"
"$root/uv/bin/pip" install --quiet uv==0.13.9

# The image's own Python may be too old: then uv brings one, to a place that every user can read.
export UV_PYTHON_INSTALL_DIR="$root/python"
"$root/uv/bin/uv" venv --python '>=3.11,<3.14' "$root/venv"
"$root/uv/bin/uv" pip install --python "$root/venv/bin/python" --require-hashes -r "$source/requirements.lock"

# The user that notebooks run under, and the data, the same for all submissions: MNIST, or the digits that come with the
# grader where it cannot be fetched.
id grading >/dev/null 2>&1 || useradd --system --no-create-home grading
cd "$source"
export KERAS_HOME="$root/keras"
mkdir -p "$KERAS_HOME"
"$root/venv/bin/python" -c 'from grader.data import load; print(load("auto").name)' >"$root/data"
echo "data: $(cat "$root/data")"
chmod -R a+rX "$KERAS_HOME" "$root/venv" "$source"
