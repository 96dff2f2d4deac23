"""The alerts and dashboards that are shipped: their metrics exist, and each alert has its row in the docs."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from gateway.backups.history import Task
from gateway.maintenance.doctor.backups import OLDEST
from gateway.process.metrics import RecordedCalls, observe, observe_total
from gateway.security.metrics import observe_certificates
from gateway.time.clock import SystemClock

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "deploy" / "observability"
DASHBOARDS = sorted(SHIPPED.glob("dashboard-*.json"))
ALERTS = [rule for group in yaml.safe_load((SHIPPED / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]
OF_PROMETHEUS = {"up"}
_OBSERVED = re.compile(r"(observe|observe_total)\(\s*(?:\w+\.)?meter,\s*\"(crossregion[a-z._]+)\",\s*\"([^\"]+)\"")
_METRIC = re.compile(r"\b((?:crossregion|rpc|process)_[a-z_]+|up)\b")


def samples() -> list[Sample]:
    """One value of each metric of the sources, as Prometheus reads them."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    meter = MeterProvider([PrometheusMetricReader(registry=registry)]).get_meter("all")
    calls = RecordedCalls(meter)
    calls.served("a.Service/Get", "OK", calls.start())
    calls.called("a.Service/Get", "OK", calls.start())
    for kind, name, unit in observed():
        (observe if kind == "observe" else observe_total)(meter, name, unit, lambda: [(1.0, {})])
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return [sample for family in families for sample in family.samples]


def observed() -> Iterator[tuple[str, str, str]]:
    """Kind, name and unit of each metric that is registered in the sources."""
    for package in ("gateway", "region_node", "coordinator"):
        for path in (ROOT / package).rglob("*.py"):
            yield from _OBSERVED.findall(path.read_text("utf-8"))


def expressions() -> Iterator[tuple[str, str]]:
    """Where each expression stands, and the expression."""
    for alert in ALERTS:
        yield alert["alert"], alert["expr"]
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text("utf-8"))["panels"]:
            for target in panel["targets"]:
                yield f"{path.name}: {panel['title']}", target["expr"]


def named(expression: str) -> list[str]:
    """The metrics of an expression."""
    return _METRIC.findall(re.sub(r"\{[^}]*\}|(?:by|on) \([^)]*\)", "", expression))


def test_the_doctor_and_the_alerts_have_the_same_limits_of_backups() -> None:
    tasks = {"copy": Task.CREATE, "archive": Task.ARCHIVE, "drill": Task.DRILL}
    limits = [
        (tasks[kind], timedelta(seconds=int(seconds)))
        for each in ALERTS
        for kind, seconds in re.findall(r'crossregion_backup_age_seconds\{kind="(\w+)"\}\) > (\d+)', each["expr"])
    ]
    assert sorted(limits) == sorted(OLDEST.items())


def test_every_metric_of_an_alert_or_a_dashboard_exists() -> None:
    known = {sample.name for sample in samples()} | OF_PROMETHEUS
    assert len(list(observed())) > 10
    unknown = {(where, name) for where, expression in expressions() for name in named(expression) if name not in known}
    assert not unknown


def test_every_metric_of_the_sources_stands_in_an_alert_or_in_a_dashboard() -> None:
    shown = {name for _, expression in expressions() for name in named(expression)}
    assert not {each.name for each in samples() if each.name.startswith("crossregion_")} - shown


def test_the_buckets_of_durations_are_those_of_seconds_so_that_a_call_of_two_seconds_differs_from_a_short_one() -> None:
    bounds = {each.labels["le"] for each in samples() if each.name == "rpc_server_call_duration_seconds_bucket"}
    assert {"0.005", "0.1", "1.0", "2.5", "10.0", "+Inf"} <= bounds


def test_each_alert_has_a_row_that_says_what_to_do_and_there_are_no_others() -> None:
    rows = re.findall(
        r"^\| <a id=\"\w+\"></a>(\w+) \| [^|]+ \| [^|]+ \|$",
        (ROOT / "docs" / "alerts.md").read_text("utf-8"),
        re.MULTILINE,
    )
    assert rows == [alert["alert"] for alert in ALERTS]


def test_each_alert_names_its_own_row_as_its_runbook() -> None:
    for alert in ALERTS:
        page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
        assert (page, anchor) == ("docs/alerts.md", alert["alert"].lower())
        assert f'| <a id="{anchor}"></a>{alert["alert"]} |' in (ROOT / page).read_text("utf-8")


def test_each_alert_says_how_soon_somebody_has_to_act() -> None:
    assert {alert["labels"]["severity"] for alert in ALERTS} == {"page", "ticket"}


def test_a_certificate_that_cannot_be_read_counts_as_one_that_ends_now(tmp_path: Path) -> None:
    registry, broken = CollectorRegistry(), tmp_path / "signing.crt"
    broken.write_text("nothing", "utf-8")
    meter = MeterProvider([PrometheusMetricReader(registry=registry)]).get_meter("one")
    observe_certificates(meter, {"tls": lambda _: tmp_path / "tls.crt", "signing": lambda _: broken}, SystemClock())
    for use in ("tls", "signing"):
        assert f'use="{use}"}} 0.0\n' in generate_latest(registry).decode()


def test_each_alert_has_a_case_in_which_it_fires() -> None:
    cases = [
        case
        for test in yaml.safe_load((SHIPPED / "alerts.test.yaml").read_text("utf-8"))["tests"]
        for case in test["alert_rule_test"]
    ]
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == {alert["alert"] for alert in ALERTS}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="not there: run deploy/build/services.sh promtool")
def test_prometheus_takes_its_settings_and_the_alerts_fire_as_their_tests_say() -> None:
    for arguments in (
        ("check", "config", "--syntax-only", "prometheus.yaml"),
        ("check", "rules", "alerts.yaml"),
        ("test", "rules", "alerts.test.yaml"),
    ):
        done = subprocess.run(["promtool", *arguments], cwd=SHIPPED, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
