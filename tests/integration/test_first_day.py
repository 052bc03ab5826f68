# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's first days, as the pages say them: install with inventories/minimal, check, add a team, remove it, uninstall.

Commands and edits are read out of README.md and docs/guides/day-two.md, so that no step is needed that is not there. The long story plays
the archive that is published, in an empty home, for both generations."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import warm_ansible
import yaml
from conftest import LONG, ROOT, parse_recap
from testbed import Bed

TOOLS = Path(sys.executable).parent
README, DAY_TWO = ROOT / "README.md", ROOT / "docs" / "guides" / "day-two.md"
OPERATORS = ("olm", "sail", "maistra", "openshift", "observability")
COMMAND = re.compile(r"(?:   |    )\s*((?:ansible-playbook|ansible-galaxy|cp|python) .*)|.*`((?:cp|ansible-galaxy) [^`]*)`.*")
# One worker, in the order of this file: each test goes on where the one before it ended.
# Long: `make first-day` plays them, in CI beside the suite.
pytestmark = [pytest.mark.xdist_group("first_day"), pytest.mark.long]


def section(page: Path, heading: str) -> str:
    """What a page says under a heading."""
    found = re.search(rf"^##+ {heading}\n(.*?)(?=^## |\Z)", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert found, f"{page.name} has no section {heading}"
    return found[1]


def commands(page: Path, heading: str) -> list[str]:
    """The commands of a section, in their order."""
    lines = [match for line in section(page, heading).splitlines() if (match := COMMAND.fullmatch(line))]
    return [(match[1] or match[2]).strip() for match in lines]


def edits(page: Path, heading: str) -> dict[str, Any]:
    """The variables that its blocks of YAML show, whole."""
    found: dict[str, Any] = {}
    for block in re.findall(r"^ *```yaml\n(.*?)^ *```", section(page, heading), re.MULTILINE | re.DOTALL):
        found |= yaml.safe_load(block)
    return found


@dataclass(frozen=True)
class Person:
    """Somebody with a home, a folder to work in, and a kubeconfig where kubectl has it."""

    bed: Bed
    provider: str
    home: Path
    installed: bool  # from the archive; else this checkout is played

    @property
    def desk(self) -> Path:
        return self.home / "work"

    def does(self, command: str) -> str:
        """What the command says, once it has ended well."""
        env = {"HOME": str(self.home), "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "false"}
        words = shlex.split(command)
        if words[0] == "ansible-playbook" and not self.installed:
            words = [str(self.desk / "mine") if word == "mine" else word for word in words]
            done = warm_ansible.run(words[1:], env={**env, "KUBECONFIG": str(self.home / ".kube" / "config")})
        else:
            inherited = ("ANSIBLE_", "K8S_AUTH_", "PYTHONPATH", "KUBECONFIG")
            kept = {key: value for key, value in os.environ.items() if not key.startswith(inherited)}
            galaxy = command.startswith("ansible-galaxy collection install ")
            line = command.replace(" meshops.mesh", f" {self.archive()} --no-deps", 1) if galaxy else command
            path = f"{TOOLS}:{os.environ['PATH']}"
            done = subprocess.run(
                ["bash", "-ec", line],
                cwd=self.desk,
                env={**kept, **env, "PATH": path},
                capture_output=True,
                text=True,
                timeout=600,
                check=False,
            )
        assert done.returncode == 0, f"{command}\n{done.stdout[-5000:]}\n{done.stderr[-2000:]}"
        return done.stdout

    def chosen(self, lines: list[str]) -> list[str]:
        """All of them; of this checkout without the plans and checks, which other tests play and which take as long as an installation."""
        return lines if self.installed else [line for line in lines if "mesh_target=plan" not in line and "check_mesh" not in line]

    def archive(self) -> str:
        """What ansible-galaxy would get from Galaxy."""
        return str(next(self.home.glob("meshops-mesh-*.tar.gz")))

    def edit(self, variables: dict[str, Any]) -> None:
        """Whole variables, in the file that the pages name."""
        path = self.desk / "mine" / "group_vars" / "mesh.yml"
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text(encoding="utf-8")), **variables}), encoding="utf-8")

    def members(self) -> set[str]:
        """Namespaces that carry a team's label."""
        done = self.bed.kubectl("get", "namespaces", "-l", "mesh.meshops.io/domain,mesh.meshops.io/mesh=first", "-o", "name")
        return {name.removeprefix("namespace/") for name in done.stdout.split()}

    def namespaces(self) -> set[str]:
        return {name.removeprefix("namespace/") for name in self.bed.kubectl("get", "namespaces", "-o", "name").stdout.split()}


def changed(output: str) -> int:
    return sum(counts["changed"] for counts in parse_recap(output).values())


STORIES = [("ossm3", False), *([("ossm3", True), ("ossm2", True)] if LONG else [])]


@pytest.fixture(scope="module", name="person", params=STORIES, ids=lambda story: f"{story[0]}-{'archive' if story[1] else 'checkout'}")
def _person(request: pytest.FixtureRequest, beds: Callable[..., Bed], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    provider, installed = request.param
    home = tmp_path_factory.mktemp("home")
    bed = beds(*OPERATORS, tag=f"first-{provider}-{'archive' if installed else 'checkout'}")
    person = Person(bed, provider, home, installed)
    (home / ".kube").mkdir()
    person.desk.mkdir()
    (home / ".kube" / "config").write_text(person.bed.kubeconfig.read_text(encoding="utf-8"), encoding="utf-8")
    collections = home / ".ansible" / "collections" / "ansible_collections"
    collections.mkdir(parents=True)
    if installed:
        person.does(f"ansible-galaxy collection build {shlex.quote(str(ROOT))} --output-path {shlex.quote(str(home))}")
        link_dependencies(collections)
    else:
        (collections / "meshops").mkdir()
        (collections / "meshops" / "mesh").symlink_to(ROOT)
    yield person
    bed.stop()


def link_dependencies(collections: Path) -> None:
    """Those of galaxy.yml, which Galaxy would bring along, from the environment that the tests run in."""
    import ansible_collections

    wanted = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["dependencies"]
    for name in wanted:
        namespace, _dot, short = name.partition(".")
        found = [Path(base) / namespace / short for base in ansible_collections.__path__ if (Path(base) / namespace / short).is_dir()]
        assert found, f"the environment of the tests has no {name}"
        (collections / namespace).mkdir(exist_ok=True)
        (collections / namespace / short).symlink_to(found[0])


def test_installed_and_checked(person: Person) -> None:
    # the other way, to have the inventory written, is in tests/unit/inventory
    lines = [line for line in commands(README, "Install a mesh") if "init_inventory" not in line]
    assert [line.split(" -i ")[0] for line in lines][-3:] == [
        "ansible-playbook meshops.mesh.install_mesh",
        "ansible-playbook meshops.mesh.install_mesh",
        "ansible-playbook meshops.mesh.check_mesh",
    ]
    if person.installed:
        lines = [*(line for line in commands(README, "Check a mesh that you have") if line.startswith("ansible-galaxy")), *lines]
    for line in lines[:-3]:
        if not line.startswith("python -m pip"):  # the tests run in an environment that has them
            person.does(line)
    person.edit({**edits(README, "Install a mesh"), "mesh_provider": person.provider})
    said = [person.does(line) for line in person.chosen(lines[-3:])]
    assert " 0 warnings, 0 failed" in said[-1]
    assert person.members() == {"shop"}
    if person.installed:
        assert changed(person.does(lines[-2])) == 0, "a second run changes nothing"


def test_a_team_comes(person: Person) -> None:
    person.edit(edits(DAY_TWO, "Add a team"))
    *plans, install = person.chosen(commands(DAY_TWO, "Add a team"))
    for plan in plans:
        assert "orders" in person.does(plan) and "orders" not in person.namespaces()
    assert " 0 warnings, 0 failed" in person.does(install)
    assert person.members() == {"shop", "orders"}


def test_and_goes(person: Person) -> None:
    person.edit(edits(DAY_TWO, "Remove a team"))
    for line in commands(DAY_TWO, "Remove a team"):
        person.does(line)
    assert person.members() == {"shop"} and "orders" in person.namespaces()


def test_uninstalled(person: Person) -> None:
    lines = commands(README, "Uninstall")
    assert lines and all(line.startswith("ansible-playbook meshops.mesh.remove_mesh -i mine") for line in lines)
    person.does(lines[-1])
    left = person.namespaces()
    assert "istio-system" not in left and "shop" not in left and "istio-cni" not in left
    assert "orders" in left, "it left the mesh before, and is its team's"
    for kind in (
        "subscriptions.operators.coreos.com",
        "deployments",
        "services",
        "serviceaccounts",
        "roles",
        "rolebindings",
        "clusterroles",
    ):
        done = person.bed.kubectl("get", kind, "-A", "-l", "app.kubernetes.io/managed-by=meshops.mesh", "-o", "name")
        assert done.returncode == 0 and done.stdout == "", (kind, done.stdout, done.stderr)
