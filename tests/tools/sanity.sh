#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# ansible-test wants a path .../ansible_collections/<namespace>/<name>: a copy of what git knows, without what the archive leaves out.
# Not run: pslint (PowerShell; the collection has none), and import and compile for Python versions that are not on this machine.
set -euo pipefail
cd "$(dirname "$0")/../.."
copy=.cache/sanity/ansible_collections/meshops/mesh
rm -rf "$copy" && mkdir -p "$copy"
git ls-files -co --exclude-standard -- . ':!tests' ':!bench' tests/sanity tests/config.yml \
  | while read -r f; do if [ -e "$f" ]; then echo "$f"; fi; done | tar -cf - -T - | tar -xf - -C "$copy"

# ansible-test downloads pip's bootstrap script from pip's own site; Python's ensurepip does the same from the package index alone.
script="$HOME/.ansible/test/cache/get_pip_24_2.py" # the name that the locked ansible-core looks for
mkdir -p "$(dirname "$script")"
if [ ! -e "$script" ]; then
  cat > "$script" << 'SCRIPT'
import subprocess
import sys

subprocess.check_call([sys.executable, "-m", "ensurepip"])  # apart: it switches pip's configuration off in its own process
wanted = [a for a in sys.argv[1:] if a not in ("--no-setuptools", "--no-wheel")]
raise SystemExit(subprocess.call([sys.executable, "-m", "pip", "install", *wanted]))
SCRIPT
fi
ln -sfn "$(python -c 'import importlib.util as u; print(u.find_spec("ansible_collections").submodule_search_locations[0])')/kubernetes" \
  .cache/sanity/ansible_collections/kubernetes # a dependency of ours, which the import test wants to see
cd "$copy"
git init -q . && git add -A
ansible-test sanity --local --python "$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')" --skip-test pslint "$@"
