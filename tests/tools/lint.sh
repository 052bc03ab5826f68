#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Every gate that CI runs. Each prints its name; the first that fails ends the run.
set -euo pipefail
cd "$(dirname "$0")/../.."
step() { echo "--- $*"; }

step "ruff"
ruff check plugins tests bench
ruff format --check --quiet plugins tests bench || { echo "run: ruff format plugins tests bench"; exit 1; }
step "changelog fragments"
antsibull-changelog lint
step "mypy"
(cd .cache/collections && MYPYPATH=. mypy --config-file ../../pyproject.toml --cache-dir ../mypy \
  -p ansible_collections.meshops.mesh.plugins.module_utils -p ansible_collections.meshops.mesh.plugins.modules \
  -p ansible_collections.meshops.mesh.plugins.action -p ansible_collections.meshops.mesh.plugins.filter \
  -p ansible_collections.meshops.mesh.plugins.plugin_utils)
MYPYPATH=tests mypy --cache-dir .cache/mypy -p testbed
step "generated documentation is up to date"
python tests/tools/role_readme.py --check
python tests/tools/make_docs.py --check

step "an archive that works alone"
dist=.cache/lint/dist
rm -rf .cache/lint && mkdir -p "$dist"
ansible-galaxy collection build --force --output-path "$dist" . > /dev/null
archive=$(ls "$dist"/meshops-mesh-*.tar.gz)
ansible-galaxy collection install --no-deps --force -p .cache/lint/installed "$archive" > /dev/null
for name in tests/ bench/ .ci/ Makefile; do
  if tar -tzf "$archive" | grep -q "^$name"; then echo "the archive contains $name"; exit 1; fi
done

step "ansible-lint (production, nothing skipped)"
ansible-lint --offline -q

step "antsibull-docs lint-collection-docs"
antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck .cache/lint/installed/ansible_collections/meshops/mesh

step "galaxy-importer"
(cd .cache/lint && GALAXY_IMPORTER_CONFIG=/dev/null python -m galaxy_importer.main "$OLDPWD/$archive" > importer.log 2>&1) \
  || { tail -40 .cache/lint/importer.log; exit 1; }
if grep -E "^(ERROR|WARNING)" .cache/lint/importer.log; then exit 1; fi

step "ansible-test sanity"
bash tests/tools/sanity.sh
