# SPDX-License-Identifier: GPL-3.0-or-later
"""The client against a scripted connection and a clock of its own: what is waited out, what is said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from threading import Event
from typing import Any

import pytest
import urllib3.exceptions as wire
from ansible_collections.meshops.mesh.plugins.module_utils import _errors as errors
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import HttpResponse
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster, Resource
from ansible_collections.meshops.mesh.plugins.module_utils._kube.progress import notices

RESOURCES = {"kind": "APIGroupDiscoveryList", "items": [
    {"metadata": {}, "versions": [{"version": "v1", "resources": [
        {"resource": "configmaps", "responseKind": {"kind": "ConfigMap"}, "scope": "Namespaced", "verbs": ["list"]}]}]}]}  # fmt: skip


class Script:
    """Answers in turn; the last one again and again."""

    host = "https://api.west:6443"

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.seen: list[str] = []
        self.bodies: list[Any] = []
        self.now = 0.0

    def request(self, method: str, path: str, *, body: bytes | None, headers: Mapping[str, str], timeout: float) -> HttpResponse:
        if path in ("/api", "/apis"):
            return reply(200, RESOURCES)
        self.seen.append(f"{method} {path}")
        self.bodies.append(json.loads(body) if body else None)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            answer = answer(self.now)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def cluster(self) -> Cluster:
        return Cluster(self, name="west", clock=lambda: self.now, sleep=self.sleep)


def reply(status: int, data: Any = None, **headers: str) -> HttpResponse:
    return HttpResponse(status, headers, json.dumps(data or {"message": f"said {status}"}).encode())


def refused() -> Exception:
    return wire.ProtocolError("Connection aborted", ConnectionResetError(104, "reset"))


def get(script: Script) -> Any:
    return script.cluster().get("v1", "ConfigMap", "a", "n")


def test_retry_after_is_honoured() -> None:
    script = Script(reply(429, **{"retry-after": "7"}), reply(200, {"kind": "ConfigMap"}))
    assert get(script) == {"kind": "ConfigMap"}
    assert script.now == 7.0


def test_a_restart_of_twenty_seconds_is_waited_out() -> None:
    script = Script(lambda now: reply(200, {"ok": 1}) if now > 20 else refused())
    assert get(script) == {"ok": 1}
    assert 20 < script.now < 30


def test_a_first_contact_gives_up_within_fifteen_seconds() -> None:
    script = Script(refused())
    with pytest.raises(errors.Unreachable, match=r"cluster west \(https://api.west:6443\): no connection.*check that it runs"):
        script.cluster().request("GET", "/version")
    assert script.now <= 15


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (
            wire.SSLError("[SSL: CERTIFICATE_VERIFY_FAILED] unable to get local issuer"),
            errors.Unreachable,
            "certificate is not trusted.*ca_cert",
        ),
        (reply(401), errors.Unauthorized, "does not accept our login.*token"),
        (reply(403), errors.Forbidden, "not allowed: said 403"),
        (reply(422), errors.ConfigError, "refuses the request"),
        (reply(500), errors.FetchError, "gave 500: said 500"),
    ],
)
def test_errors_name_cluster_and_remedy(answer: Any, error: type[Exception], text: str) -> None:
    script = Script(answer)
    with pytest.raises(error, match=rf"cluster west .*{text}"):
        get(script)
    assert len(script.seen) == 1  # no second try


def test_a_quota_is_not_told_as_a_missing_right() -> None:
    text = 'services "web" is forbidden: exceeded quota: q, requested: services=1, used: services=2, limited: services=2'
    cluster = Script(reply(200, {"gitVersion": "v1"}), HttpResponse(403, {}, json.dumps({"message": text}).encode())).cluster()
    cluster._resources = {("v1", "Service"): Resource("v1", "Service", "services", True)}
    with pytest.raises(errors.Denied, match=r"^Service n/web: cluster west .*ResourceQuota.*no right.*exceeded quota: q") as found:
        cluster.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "n"}})
    assert not isinstance(found.value, errors.Forbidden) and "another login" not in str(found.value)


def test_busy_for_too_long() -> None:
    with pytest.raises(errors.TooManyRequests, match=r"answers 503 for 6[0-9] s"):
        get(Script(reply(503)))


@pytest.mark.parametrize("ahead", [False, True], ids=["as custom resources are listed", "as the others are"])
def test_pages_and_an_expired_list(ahead: bool) -> None:
    def page(name: str, more: str) -> HttpResponse:
        items, metadata = {"items": [{"metadata": {"name": name}}]}, {"metadata": {"resourceVersion": "1", "continue": more}}
        return reply(200, {**metadata, **items} if ahead else {**items, **metadata})

    script = Script(page("old", "t1"), reply(410), page("a", "t2"), page("b", ""))
    found = script.cluster().list("v1", "ConfigMap")
    assert [item["metadata"]["name"] for item in found] == ["a", "b"]
    assert found[0]["kind"] == "ConfigMap" and "limit=500" in script.seen[0] and "continue=t2" in script.seen[3]


def test_objects_are_trimmed_as_they_come() -> None:
    """A page is made small before the next one is asked for: whole pods of all pages are never in memory together."""
    log: list[str] = []
    pages = [
        reply(200, {"items": [{"metadata": {"name": name}, "data": {"x": "y"}}], "metadata": {"continue": more}})
        for name, more in (("a", "next"), ("b", ""))
    ]
    script = Script(*pages)

    def trim(obj: dict[str, Any]) -> dict[str, Any]:
        log.append(f"{obj['kind']} {obj['metadata']['name']} after {len(script.seen)} requests")
        return {"name": obj["metadata"]["name"]}

    assert script.cluster().list("v1", "ConfigMap", trim=trim) == [{"name": "a"}, {"name": "b"}]
    assert log == ["ConfigMap a after 1 requests", "ConfigMap b after 2 requests"]


def test_the_next_page_is_made_while_one_is_parsed() -> None:
    asked = Event()

    def page(name: str, more: str) -> HttpResponse:
        text = json.dumps({"metadata": {"continue": more}, "items": [{"metadata": {"name": name}}]}, separators=(",", ":"))
        return HttpResponse(200, {}, text.encode())

    def second(_now: float) -> HttpResponse:
        asked.set()
        return page("b", "")

    script = Script(page("a", "eyJ2Ijo-_0"), second)
    found = script.cluster().list("v1", "ConfigMap", trim=lambda obj: {"name": obj["metadata"]["name"], "asked": asked.wait(5)})
    assert found == [{"name": "a", "asked": True}, {"name": "b", "asked": True}]
    assert [path.rpartition("continue=")[2] for path in script.seen[1:]] == ["eyJ2Ijo-_0"]


def test_an_error_of_the_next_page_is_the_list_s() -> None:
    text = b'{"metadata":{"continue":"t"},"items":[{"metadata":{"name":"a"}}]}'
    with pytest.raises(errors.KindMissing, match="any more"):
        Script(HttpResponse(200, {}, text), reply(404)).cluster().list("v1", "ConfigMap")


def test_a_text_of_an_object_is_no_next_page() -> None:
    text = b'{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"a","annotations":{"continue":"t"}}}]}'
    script = Script(HttpResponse(200, {}, text))
    assert len(script.cluster().list("v1", "ConfigMap")) == 1 and len(script.seen) == 1


def test_a_conflict_says_who_holds_which_field() -> None:
    cause = {"reason": "FieldManagerConflict", "field": ".data.x", "message": 'conflict with "kubectl"'}
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}}
    with pytest.raises(errors.Conflict, match=r'ConfigMap n/a: cluster west: .*\.data\.x \(held by "kubectl"\).*force_conflicts'):
        Script(reply(409, {"details": {"causes": [cause]}})).cluster().apply(obj, field_manager="m")


def test_an_apply_that_lost_a_race_is_said_again_and_a_patch_is_not() -> None:
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}}
    lost, won = reply(409, {"message": "the object has been modified"}), reply(200, obj)
    script = Script(lost, lost, won)
    assert script.cluster().apply(obj, field_manager="m") == obj
    assert len(script.seen) == 3
    script = Script(lost)
    with pytest.raises(errors.Conflict, match="it was changed in the meantime"):
        script.cluster().apply(obj, field_manager="m")
    assert len(script.seen) == 4
    script = Script(lost, won)
    with pytest.raises(errors.Conflict, match="it was changed in the meantime"):
        script.cluster().patch(obj, {"metadata": {"resourceVersion": "1"}})


def test_a_namespace_that_is_being_deleted_is_no_missing_right() -> None:
    cause = {"reason": "NamespaceTerminating", "field": "metadata.namespace", "message": "namespace n is being terminated"}
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}}
    answer = reply(403, {"message": "forbidden: namespace n is being terminated", "details": {"causes": [cause]}})
    with pytest.raises(errors.Conflict, match=r"ConfigMap n/a: cluster west .*namespace is being deleted.*namespace n is being terminated"):
        Script(answer).cluster().apply(obj, field_manager="m")


def test_a_missing_kind() -> None:
    with pytest.raises(errors.KindMissing, match=r"no kind Istio in sailoperator\.io/v1"):
        Script(reply(200)).cluster().get("sailoperator.io/v1", "Istio", "a")


def test_a_dry_run_of_a_deletion_says_so_in_the_body() -> None:
    # the API server ignores dryRun in the URL when the request has a body, and deletes
    script = Script(reply(200))
    script.cluster().delete("v1", "ConfigMap", "a", "n", dry_run=True)
    assert script.bodies[-1]["dryRun"] == ["All"]


def test_a_deletion_means_the_object_that_was_looked_at() -> None:
    script = Script(reply(200), reply(409, {"message": "Precondition failed: UID in precondition: 1, UID in object meta: 2"}))
    script.cluster().delete("v1", "ConfigMap", "a", "n", uid="1")
    assert script.bodies[-1]["preconditions"] == {"uid": "1"} and "dryRun" not in script.bodies[-1]
    with pytest.raises(errors.Conflict, match=r"ConfigMap n/a: cluster west: conflict: Precondition failed"):
        script.cluster().delete("v1", "ConfigMap", "a", "n", uid="1")


NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}}


class Skewed(Script):
    """Every answer says the time of a cluster that is ahead of us; each one takes some seconds."""

    def __init__(self, ahead: float, *answers: Any, takes: float = 0.0) -> None:
        super().__init__(*(answers or (reply(200, CONFIG_MAP),)))
        self.ahead, self.takes = ahead, takes

    def request(self, method: str, path: str, **given: Any) -> HttpResponse:
        answer = super().request(method, path, **given)
        stamp = NOON + timedelta(seconds=self.now + self.ahead)
        self.now += self.takes
        return HttpResponse(answer.status, {**answer.headers, "date": format_datetime(stamp, usegmt=True)}, answer.body)

    def cluster(self) -> Cluster:
        return Cluster(self, name="west", clock=lambda: self.now, sleep=self.sleep, wall=lambda: NOON + timedelta(seconds=self.now))


CHANGES: dict[str, Any] = {
    "apply": lambda cluster: cluster.apply(CONFIG_MAP, field_manager="m"),
    "a dry run": lambda cluster: cluster.apply(CONFIG_MAP, field_manager="m", dry_run=True),
    "create": lambda cluster: cluster.create(CONFIG_MAP),
    "patch": lambda cluster: cluster.patch(CONFIG_MAP, {"data": {}}),
    "delete": lambda cluster: cluster.delete("v1", "ConfigMap", "a", "n"),
}


@pytest.mark.parametrize("ahead", [7200, -7200, 75])
@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_written_while_the_clocks_differ(change: str, ahead: float) -> None:
    script = Skewed(ahead)
    with pytest.raises(
        errors.ClockSkew,
        match=r"cluster west \(https://api.west:6443\): the API server's clock says 2026-03-01T"
        r".*this control node 2026-03-01T12:00:00Z.*60 s are allowed.*timedatectl",
    ):
        CHANGES[change](script.cluster())
    assert script.seen == ["GET /version"], "it was asked once more, and nothing was written"


@pytest.mark.parametrize(("ahead", "takes"), [(0, 0), (59, 0), (-59, 0), (0, 14), (20, 14)])
@pytest.mark.parametrize("change", CHANGES)
def test_a_right_clock_writes_without_another_question(change: str, ahead: float, takes: float) -> None:
    script = Skewed(ahead, takes=takes)
    CHANGES[change](script.cluster())
    assert [line for line in script.seen if "/version" not in line] == script.seen[-1:]
    assert len(script.seen) == 1 or takes, "only a slow answer is asked again"


def test_one_odd_answer_stops_nobody() -> None:
    script = Skewed(7200)
    cluster = script.cluster()
    cluster.resources()
    script.ahead = 0
    CHANGES["apply"](cluster)
    assert script.seen[0] == "GET /version" and script.seen[1].startswith("PATCH ")


def test_a_question_in_the_form_of_a_write_needs_no_clock() -> None:
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
    rows = {"resources": [{"name": "subjectaccessreviews", "kind": review["kind"], "namespaced": False}]}
    script = Skewed(7200, reply(200, {"status": {"allowed": True}}))
    cluster = script.cluster()
    resource = Resource("authorization.k8s.io/v1", "SubjectAccessReview", rows["resources"][0]["name"], False)  # type: ignore[arg-type]
    cluster._resources = {("authorization.k8s.io/v1", "SubjectAccessReview"): resource}
    assert cluster.create(review)["status"]["allowed"]


def test_an_api_server_that_does_not_say_its_time() -> None:
    script = Script(reply(200, CONFIG_MAP))
    notices()
    cluster = script.cluster()
    CHANGES["apply"](cluster)
    assert len(script.seen) == 1
    cluster.now()
    said = notices()
    assert len(said) == 1 and said[0].startswith("cluster west: ") and "do not say its time" in said[0] and "date -u" in said[0]
    Skewed(0).cluster().now()
    assert notices() == []


QUOTED = [
    'Job.batch "a" is invalid: spec.template: Invalid value: core.PodTemplateSpec{Env:[]core.EnvVar{{Name:"A", Value:"%s"}}, '
    'Args:[]string{"}%s"}, X:(*int64)(0xc0)}: field is immutable',
    'x: Invalid value: map[string]string{"a":"%s"}: must be short, y: Invalid value: &v1.A{B:"%s"}: no',
    'Job "a": spec.template: Invalid value: {"spec":{"containers":[{"env":[{"value":"%s\\"}"}]}]}}: field is immutable',
    'x: Invalid value: []core.EnvVar{core.EnvVar{Value:"%s"}}: no, y: Invalid value: [{"value":"%s"}]: no',
    'x: Invalid value: core.PodSpec{A:`%s`, B:"%s',
]


@pytest.mark.parametrize("text", QUOTED)
def test_a_refusal_does_not_quote_whole_objects(text: str) -> None:
    needle = "n33dle-of-another-team"
    with pytest.raises(errors.ConfigError) as caught:
        CHANGES["apply"](Script(reply(422, {"message": text.replace("%s", needle)})).cluster())
    said = str(caught.value)
    assert needle not in said and "(not shown)" in said, said
    assert ("immutable" in said) == ("immutable" in text) and said.count("(not shown)") == text.count("Invalid value")


def test_a_refusal_quotes_a_single_value() -> None:
    text = 'spec.replicas: Invalid value: -1: must be greater than 0, metadata.name: Invalid value: "A": a lowercase name'
    with pytest.raises(errors.ConfigError, match=r"-1: must be greater than 0.*\"A\": a lowercase"):
        CHANGES["apply"](Script(reply(422, {"message": text})).cluster())


def test_the_clusters_time_is_what_now_says() -> None:
    script = Skewed(-7200)
    cluster = script.cluster()
    assert abs(cluster.now() - (NOON - timedelta(hours=2))) <= timedelta(seconds=1)
    assert Skewed(0).cluster().now() == NOON
    script.now += 3600  # an hour later the reading is old
    script.ahead = -100
    assert abs(cluster.now() - (NOON + timedelta(seconds=3500))) <= timedelta(seconds=1) and len(script.seen) == 2
    assert Script(reply(200)).cluster().now().tzinfo is UTC


@pytest.mark.parametrize("reason", ["certificate has expired", "certificate is not yet valid"])
def test_a_certificate_that_is_not_trusted_because_of_the_clock(reason: str) -> None:
    script = Skewed(0, wire.SSLError(f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {reason} (_ssl.c:1006)"))
    text = rf"because of its dates: .*{reason}.*the clock of this control node says 2026-03-01T12:00:00Z"
    with pytest.raises(errors.Unreachable, match=text):
        get(script)


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (
            wire.LocationValueError("No host specified."),
            errors.ConfigError,
            "not an address of an API server: .*correct host or the kubeconfig",
        ),
        (wire.ProxySchemeUnknown("ftp"), errors.ConfigError, "not an address of an API server"),
        (wire.SSLError(FileNotFoundError(2, "No such file")), errors.ConfigError, "a certificate file is missing.*ca_cert, client_cert"),
        (reply(404), errors.KindMissing, "the API does not serve /api/v1/namespaces/n/configmaps"),
        (reply(410), errors.FetchError, "the list of ConfigMap expired four times"),
        (reply(302), errors.FetchError, "GET /api/v1/namespaces/n/configmaps gave 302: said 302"),
        (HttpResponse(418, {}, b"<html>a proxy</html>"), errors.FetchError, "gave 418: <html>a proxy</html>"),
        (HttpResponse(418, {}, b" "), errors.FetchError, "gave 418: no text"),
    ],
)
def test_what_no_further_try_would_mend_is_said_at_once(answer: Any, error: type[Exception], text: str) -> None:
    script = Script(answer)
    with pytest.raises(error, match=rf"cluster west.*{text}") as found:
        script.cluster().list("v1", "ConfigMap", namespace="n")
    assert type(found.value) is error and script.now == 0.0


def test_a_name_that_nobody_knows_is_told_at_once_and_waited_out_where_it_was_known_before() -> None:
    nameless = wire.NameResolutionError("api.west", None, OSError("temporary failure"))  # type: ignore[arg-type]
    script = Script(nameless)
    with pytest.raises(errors.Unreachable, match=r"no connection to the API server for 0 s: .*Failed to resolve 'api.west'"):
        script.cluster().request("GET", "/version")
    script = Script(reply(200, CONFIG_MAP), nameless, nameless, reply(200, CONFIG_MAP))
    cluster = script.cluster()
    for _number in range(2):
        assert cluster.get("v1", "ConfigMap", "a", "n") == CONFIG_MAP
    assert 0 < script.now < 5


def test_a_first_try_that_costs_five_seconds_is_not_begun_when_fifteen_would_be_over() -> None:
    slow = wire.ReadTimeoutError(None, "/", "Read timed out.")  # type: ignore[arg-type]
    script = Script(slow)
    cluster = script.cluster()
    request = script.request

    def takes_five(*given: Any, **more: Any) -> HttpResponse:
        script.now += 5
        return request(*given, **more)

    script.request = takes_five  # type: ignore[method-assign]
    with pytest.raises(errors.Unreachable):
        cluster.request("GET", "/version")
    assert script.now <= 15 and len(script.seen) == 2


@pytest.mark.parametrize(
    ("after", "expected"),
    [("5", 5.0), ("600", 12.0), ("0", None), ("soon", None), ("-5", None), ("", None)],
)
def test_how_long_a_busy_server_is_left_alone(after: str, expected: float | None) -> None:
    script = Script(reply(503, **{"retry-after": after}), reply(200, {"gitVersion": "v1"}))
    assert script.cluster().server_version() == "v1"
    assert script.now == expected if expected is not None else 0 < script.now <= 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_server_that_is_busy_from_the_beginning_is_given_up_after_twelve_seconds(status: int) -> None:
    script = Script(reply(status))
    with pytest.raises(errors.TooManyRequests, match=rf"answers {status} for 1[23] s: said {status}; it is overloaded or not up yet"):
        script.cluster().request("GET", "/version")
    assert script.now <= 14


WEBHOOK = {"message": 'Internal error occurred: failed calling webhook "validation.istio.io": no endpoints available'}


def test_a_webhook_that_is_away_is_waited_for_and_then_told() -> None:
    script = Script(reply(500, WEBHOOK), reply(500, WEBHOOK), reply(200, CONFIG_MAP))
    assert CHANGES["apply"](script.cluster()) == CONFIG_MAP
    script = Script(reply(500, WEBHOOK))
    with pytest.raises(errors.FetchError, match=r"gave 500: Internal error occurred: failed calling webhook"):
        CHANGES["apply"](script.cluster())
    assert 20 <= script.now < 26


def test_a_field_that_a_built_in_kind_does_not_have_is_bad_input() -> None:
    text = "failed to create typed patch object (n/a; v1, Kind=ConfigMap): .dta: field not declared in schema"
    with pytest.raises(errors.ConfigError, match=r"ConfigMap n/a: cluster west .*refuses the request \(500\): .*\.dta: field not declared"):
        CHANGES["apply"](Script(reply(500, {"message": text})).cluster())


@pytest.mark.parametrize("status", [401, 403])
def test_a_login_that_a_starting_server_does_not_know_yet_is_tried_again(status: int) -> None:
    script = Script(reply(200, CONFIG_MAP), refused(), reply(status), reply(status), reply(200, CONFIG_MAP), reply(status))
    cluster = script.cluster()
    for _number in range(2):
        assert cluster.get("v1", "ConfigMap", "a", "n") == CONFIG_MAP
    script.now += 10
    with pytest.raises(errors.Unauthorized if status == 401 else errors.Forbidden):
        cluster.get("v1", "ConfigMap", "a", "n")
    with pytest.raises(errors.Unauthorized if status == 401 else errors.Forbidden):
        Script(refused(), reply(status)).cluster().get("v1", "ConfigMap", "a", "n")


def test_warnings_of_the_api_server_are_kept() -> None:
    script = Script(reply(200, CONFIG_MAP, warning='299 - "v1beta1 is deprecated"'), reply(200, CONFIG_MAP))
    cluster = script.cluster()
    for _number in range(2):
        cluster.get("v1", "ConfigMap", "a", "n")
    assert cluster.warnings == ["v1beta1 is deprecated"]


def test_what_is_listed_can_be_narrowed() -> None:
    script = Script(reply(200, {"items": []}))
    script.cluster().list("v1", "ConfigMap", label_selector="a=b", field_selector="status.phase=Failed")
    assert script.seen == ["GET /api/v1/configmaps?limit=500&labelSelector=a%3Db&fieldSelector=status.phase%3DFailed"]


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (
            reply(404, {"message": 'namespaces "n" not found'}),
            errors.FetchError,
            r'ConfigMap n/a: .*namespaces "n" not found; make the namespace',
        ),
        (reply(410), errors.FetchError, "ConfigMap n/a: cluster west gave 410: said 410"),
        (HttpResponse(200, {}, b"<html>"), errors.FetchError, "ConfigMap n/a: cluster west gave 200: <html>"),
    ],
)
def test_a_change_that_brings_no_object_back_is_an_error(answer: HttpResponse, error: type[Exception], text: str) -> None:
    for change in ("apply", "create", "patch"):
        with pytest.raises(error, match=text):
            CHANGES[change](Script(answer).cluster())


def test_a_deletion_of_what_is_gone_is_no_error_and_no_change() -> None:
    assert Script(reply(404)).cluster().delete("v1", "ConfigMap", "a", "n") is False
    assert Script(reply(200)).cluster().delete("v1", "ConfigMap", "a", "n") is True
