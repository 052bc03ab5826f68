# SPDX-License-Identifier: GPL-3.0-or-later
"""What OpenShift's API server has and Kubernetes' has not: users with passwords, tokens, projects that people request.

A server in front of a bed's API server, started by whoever needs it (`with OpenShiftApi(bed, {"mesh": "secret"}) as front`): it answers
/.well-known/oauth-authorization-server, gives and revokes tokens as the OAuth server does for `openshift-challenging-client`, makes a
namespace of a ProjectRequest, and hands all else on as the user of the token."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from .bed import Bed
from .pki import Authority

__all__ = ["OpenShiftApi", "Token", "token_name"]

PREFIX = "sha256~"
CLIENT = "Basic " + base64.b64encode(b"openshift-challenging-client:").decode()
GROUPS = ("system:authenticated", "system:authenticated:oauth")
PROJECTS = "/apis/project.openshift.io/v1/projectrequests"
TOKENS = "/apis/oauth.openshift.io/v1/useroauthaccesstokens"
# Of a request or an answer, what belongs to one connection only.
HOP = {"connection", "content-length", "content-encoding", "host", "keep-alive", "transfer-encoding"}
PROJECT_KIND = {
    "metadata": {"name": "project.openshift.io"},
    "versions": [
        {
            "version": "v1",
            "freshness": "Current",
            "resources": [
                {
                    "resource": "projectrequests",
                    "responseKind": {"group": "project.openshift.io", "version": "v1", "kind": "ProjectRequest"},
                    "scope": "Cluster",
                    "singularResource": "projectrequest",
                    "verbs": ["create", "list"],
                }
            ],
        }
    ],
}


@dataclass
class Token:
    """One that was given; used and revoked are what a test asks for."""

    user: str
    value: str
    used: int = 0
    revoked: bool = False


def token_name(value: str) -> str:
    """The name of the object that stands for a token."""
    digest = hashlib.sha256(value.removeprefix(PREFIX).encode()).digest()
    return PREFIX + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _status(code: int, reason: str, message: str) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message}
    return web.json_response(body, status=code)


@dataclass
class OpenShiftApi:
    """users: name to password. refuse_logout: the server cannot revoke tokens."""

    bed: Bed
    users: Mapping[str, str]
    refuse_logout: bool = False
    tokens: list[Token] = field(default_factory=list)
    url: str = ""
    _codes: dict[str, str] = field(default_factory=dict)

    @property
    def ca(self) -> Path:
        """What its certificate leads to."""
        return self.bed.dir / "pki" / "ca.crt"

    def __enter__(self) -> OpenShiftApi:
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(30) and self.url, "the played OpenShift API did not start"
        return self

    def __exit__(self, *_error: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(30)

    def _serve(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._run(ready))
        self._loop.close()

    async def _run(self, ready: threading.Event) -> None:
        self._end = asyncio.Event()
        admin, plain = (ssl.create_default_context(cafile=str(self.ca)) for _unused in range(2))
        admin.load_cert_chain(self.bed.data["client_cert"], self.bed.data["client_key"])
        self._admin = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=admin), auto_decompress=True)
        self._plain = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=plain), auto_decompress=True)
        pair = Authority(self.bed.dir / "pki").issue("openshift-api", "openshift-api", names=["127.0.0.1", "localhost"])
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pair.cert, pair.key)
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_get("/.well-known/oauth-authorization-server", self._discover)
        app.router.add_get("/oauth/authorize", self._authorize)
        app.router.add_post("/oauth/token", self._token)
        app.router.add_delete(TOKENS + "/{name}", self._logout)
        app.router.add_post(PROJECTS, self._project)
        app.router.add_route("*", "/{path:.*}", self._forward)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
            await site.start()
            self.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
            ready.set()
            await self._end.wait()
        finally:
            await runner.cleanup()
            await self._admin.close()
            await self._plain.close()

    # the OAuth server

    async def _discover(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/oauth/authorize",
                "token_endpoint": f"{self.url}/oauth/token",
                "code_challenge_methods_supported": ["plain", "S256"],
            }
        )

    async def _authorize(self, request: web.Request) -> web.Response:
        if request.query.get("client_id") != "openshift-challenging-client" or "X-Csrf-Token" not in request.headers:
            return web.Response(status=400, text="no such client, or no X-CSRF-Token")
        user, _colon, password = base64.b64decode(request.headers.get("Authorization", "").removeprefix("Basic ")).decode().partition(":")
        if not user or self.users.get(user) != password:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="openshift"'})
        code = PREFIX + secrets.token_urlsafe(24)
        self._codes[code] = user
        query = urlencode({"code": code, "state": request.query.get("state", "")})
        return web.Response(status=302, headers={"Location": f"{self.url}/oauth/token/implicit?{query}"})

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        user = self._codes.pop(str(form.get("code")), None)
        if form.get("grant_type") != "authorization_code" or request.headers.get("Authorization") != CLIENT or user is None:
            return web.json_response({"error": "invalid_grant"}, status=400)
        token = Token(user, PREFIX + secrets.token_urlsafe(32))
        self.tokens.append(token)
        return web.json_response({"access_token": token.value, "expires_in": 86400, "scope": "user:full", "token_type": "Bearer"})

    async def _logout(self, request: web.Request) -> web.Response:
        token = self._found(request)
        if token is None:
            return _status(401, "Unauthorized", "Unauthorized")
        name = request.match_info["name"]
        if self.refuse_logout:
            return _status(403, "Forbidden", f'useroauthaccesstokens.oauth.openshift.io "{name}" is forbidden')
        theirs = [row for row in self.tokens if row.user == token.user and not row.revoked and token_name(row.value) == name]
        if not theirs:
            return _status(404, "NotFound", f'useroauthaccesstokens.oauth.openshift.io "{name}" not found')
        theirs[0].revoked = True
        return web.json_response({"kind": "Status", "apiVersion": "v1", "status": "Success"})

    def _found(self, request: web.Request) -> Token | None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return next((row for row in self.tokens if row.value == given and not row.revoked), None)

    # projects

    async def _project(self, request: web.Request) -> web.Response:
        """As whoever may create ProjectRequests; then the namespace is the user's, by the role admin."""
        asked = await request.json()
        name = asked["metadata"]["name"]
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"group": "project.openshift.io", "resource": "projectrequests", "verb": "create"}},
        }
        me = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        code, answer = await self._as(request, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
        if code >= 300:
            return web.json_response(answer, status=code)
        if not answer["status"]["allowed"]:
            return _status(403, "Forbidden", "You may not request a new project via this API.")
        _code, who = await self._as(request, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", me)
        user = who["status"]["userInfo"]["username"]
        notes = {"openshift.io/requester": user, "openshift.io/display-name": asked.get("displayName", ""),
                 "openshift.io/description": asked.get("description", "")}  # fmt: skip
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "annotations": notes}}
        code, answer = await self._ask(self._admin, "POST", "/api/v1/namespaces", made)
        if code == 409:
            return _status(409, "AlreadyExists", f'project.project.openshift.io "{name}" already exists')
        if code >= 300:
            return web.json_response(answer, status=code)
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "admin"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        }
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}/rolebindings"
        await self._ask(self._admin, "POST", path, binding)
        return web.json_response({"apiVersion": "project.openshift.io/v1", "kind": "Project", "metadata": answer["metadata"]}, status=201)

    # all else

    def _identity(self, request: web.Request) -> tuple[aiohttp.ClientSession, list[tuple[str, str]]] | None:
        """Who asks the API server behind: the user of the token, or whoever the request says. None: a token that nobody has."""
        kept = [(name, value) for name, value in request.headers.items() if name.lower() not in HOP]
        if PREFIX not in request.headers.get("Authorization", ""):
            return self._plain, kept
        token = self._found(request)
        if token is None:
            return None
        token.used += 1
        kept = [row for row in kept if row[0].lower() != "authorization"]
        return self._admin, [*kept, ("Impersonate-User", token.user), *(("Impersonate-Group", name) for name in GROUPS)]

    async def _as(self, request: web.Request, method: str, path: str, body: Any) -> tuple[int, Any]:
        identity = self._identity(request)
        if identity is None:
            return 401, {"kind": "Status", "code": 401, "reason": "Unauthorized", "message": "Unauthorized"}
        session, headers = identity
        return await self._ask(session, method, path, body, [row for row in headers if row[0].lower().startswith(("auth", "impersonate"))])

    async def _ask(self, session: aiohttp.ClientSession, method: str, path: str, body: Any, who: Any = ()) -> tuple[int, Any]:
        lines = [*who, ("Content-Type", "application/json")]
        async with session.request(method, self.bed.data["api"] + path, data=json.dumps(body), headers=lines) as answer:
            return answer.status, await answer.json()

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        identity = self._identity(request)
        if identity is None:
            return _status(401, "Unauthorized", "Unauthorized")
        session, headers = identity
        body = await request.read()
        async with session.request(
            request.method, self.bed.data["api"] + request.path_qs, data=body or None, headers=headers, allow_redirects=False
        ) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP}
            if request.path == "/apis":
                found = await answer.json(content_type=None)
                if found.get("kind") == "APIGroupDiscoveryList":
                    found["items"].append(PROJECT_KIND)
                return web.Response(status=answer.status, body=json.dumps(found).encode(), headers=kept)
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response
