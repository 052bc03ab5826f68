#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# ansible-test wants a path .../ansible_collections/<namespace>/<name>: a copy of what git knows, without what the archive leaves out.
# Not run: pslint (PowerShell; the collection has none), and import and compile for Python versions that are not on this machine.
set -euo pipefail
cd "$(dirname "$0")/../.."
copy=.cache/sanity/ansible_collections/meshops/mesh
rm -rf "$copy" && mkdir -p "$copy"
git ls-files -co --exclude-standard -- . ':!tests' ':!bench' tests/sanity tests/config.yml | while read -r f; do [ -e "$f" ] && echo "$f"; done | tar -cf - -T - | tar -xf - -C "$copy"
cd "$copy"
git init -q . && git add -A
ansible-test sanity --local --python "$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')" \
  --skip-test pslint "$@"
