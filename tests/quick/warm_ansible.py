# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook for the tests, forked off a process that has Ansible and the collection imported already.

Two thirds of a short playbook's time are imports, and the suite plays some hundreds. `run` takes the place of `subprocess.run`: same
program, arguments, environment and output, in a process of its own. MESH_TEST_COLD=1 plays each from its beginning, as a user does."""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

__all__ = ["PROGRAM", "run"]

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = str(Path(sys.executable).with_name("ansible-playbook"))
ALWAYS = {
    "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_FORCE_COLOR": "0",
    "ANSIBLE_LOCALHOST_WARNING": "false",
    "MESH_CONTROL_NODE_LASTS": "true",  # the tests may run in a container, whose files are lost with it
}
# What Ansible and the libraries read as they are imported: one server for each set of these.
AT_IMPORT = ("ANSIBLE_", "PYTHON", "HOME", "LANG", "LC_", "MESH_")
REQUEST_FDS = 3  # output, error output, and where the request comes from and the answer goes
COLLECTION = "ansible_collections.meshops.mesh.plugins"
# Of Ansible; our own modules import what they use of the libraries.
BESIDE = (
    "ansible.cli.playbook",
    "ansible.executor.playbook_executor",
    "ansible.plugins.strategy.linear",
    "ansible.plugins.callback.default",
    "ansible.plugins.connection.local",
    "ansible.plugins.shell.sh",
)
PACKAGES = ("module_utils", "plugin_utils", "modules")
# Of these plugins Ansible reads the options, from the YAML of their documentation, as it finds them: half of the start of a playbook.
KINDS = ("action", "become", "cache", "callback", "connection", "filter", "inventory", "lookup", "shell", "strategy", "test")


class _Server:
    """The client's side: a process that waits for playbooks."""

    def __init__(self, environment: dict[str, str], cwd: str) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Its own group: a test that interrupts the group of the tests must not end it.
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            env=environment,
            cwd=cwd,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()

    def close(self) -> None:
        self.control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)


_servers: dict[tuple[tuple[str, str], ...], _Server] = {}
_lock = threading.Lock()


@atexit.register
def _close() -> None:
    for server in _servers.values():
        server.close()


def _server(environment: dict[str, str], cwd: str) -> _Server:
    key = tuple(sorted((name, value) for name, value in environment.items() if name.startswith(AT_IMPORT)))
    with _lock:
        if key not in _servers or _servers[key].process.poll() is not None:
            _servers[key] = _Server(environment, cwd)
        return _servers[key]


def run(
    arguments: Iterable[str], *, cwd: str | Path = ROOT, env: Mapping[str, str] = MappingProxyType({}), timeout: float = 600.0
) -> subprocess.CompletedProcess[str]:
    """Plays `ansible-playbook` with these arguments and this checkout's configuration; env: what is different from our own environment.

    Raises TimeoutExpired, as subprocess.run does, after it has killed what it started."""
    command, environment = [PROGRAM, *arguments], {**os.environ, **ALWAYS, **env}
    if os.environ.get("MESH_TEST_COLD"):
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout, check=False)
    server = _server(environment, str(cwd))
    ours, theirs = socket.socketpair()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, ours, theirs:
        socket.send_fds(server.control, [b"play"], [out.fileno(), err.fileno(), theirs.fileno()])
        theirs.close()
        ours.sendall(json.dumps({"command": command, "cwd": str(cwd), "env": environment}).encode() + b"\n")
        ours.settimeout(timeout)
        with ours.makefile("r") as answers:
            pid = int(answers.readline())
            try:
                code = int(answers.readline())
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(command, timeout, _text(out), _text(err)) from None
        return subprocess.CompletedProcess(command, code, _text(out), _text(err))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


# -- the server


def _import_all() -> None:
    from ansible.plugins import loader

    loader.init_plugin_loader()
    importlib.import_module(f"{COLLECTION}.plugin_utils.compiled").keep_byte_code()
    for name in BESIDE:
        importlib.import_module(name)
    for package in PACKAGES:
        found = importlib.import_module(f"{COLLECTION}.{package}")
        for module in pkgutil.walk_packages(found.__path__, f"{found.__name__}."):
            importlib.import_module(module.name)
    for kind in KINDS:
        list(getattr(loader, f"{kind}_loader").all(class_only=True))
    warnings.filterwarnings("ignore", "AnsibleCollectionFinder has already been configured")


def _play(request: dict[str, Any], out: int, err: int) -> None:
    os.setsid()
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    config = vars(importlib.import_module("kubernetes.config.kube_config"))  # reads KUBECONFIG as it is imported
    config["KUBE_CONFIG_DEFAULT_LOCATION"] = os.environ.get("KUBECONFIG", "~/.kube/config")
    from ansible.cli.playbook import PlaybookCLI

    sys.argv = request["command"]
    code = 1
    try:
        PlaybookCLI.cli_executor(request["command"])
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # Ansible's clean-up at exit would remove the server's folder for temporary files


def _serve(control: socket.socket) -> None:
    selector = selectors.DefaultSelector()
    selector.register(control, selectors.EVENT_READ)
    while True:
        for key, _events in selector.select():
            if key.fileobj is control:
                _message, fds, _flags, _address = socket.recv_fds(control, 16, REQUEST_FDS)
                if not fds:
                    return
                out, err, line = fds
                answers = socket.socket(fileno=line)
                with answers.makefile("r") as requests:
                    request = json.loads(requests.readline())
                pid = os.fork()
                if not pid:
                    _play(request, out, err)
                os.close(out)
                os.close(err)
                answers.sendall(f"{pid}\n".encode())
                selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, answers))
            else:
                pid, answers = key.data
                _pid, status = os.waitpid(pid, 0)
                selector.unregister(key.fileobj)
                os.close(key.fd)
                with contextlib.suppress(OSError), answers:
                    answers.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    _import_all()
    _serve(socket.socket(fileno=int(sys.argv[1])))
