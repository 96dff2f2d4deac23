"""An import of customers that is killed on both sides ends with the same rows as an undisturbed one."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.federation import FEDERATION, OPERATOR, LocalFederation
from deploy.local.process import wait_until
from deploy.local.profiles import EMBEDDED, Engine, Placement, Profile
from region_node.customers.listed_lines import lines_after
from region_node.customers.rows import find_customer
from tests import preloaded
from tests.crash.records import Records, Row
from tests.faults.background import Background
from tests.faults.proxy import FaultProxy

ROOT = Path(__file__).parents[2]
FILE = ROOT.parent / "shared" / "data" / "customers.csv"
MAP = ROOT / "deploy" / "import" / "telco-customers.yaml"
NUMBERS = ("+8619851000000-+8619851099999", "broadband=+862880000000-+862880099999")
REGION = "sichuan"
CUSTOMERS, BROADBAND, WITHOUT_BALANCE = 7043, 682, 11
LAST_LINE = CUSTOMERS + 1
PATIENCE = 60.0
SLOW = 0.04  # seconds that every chunk takes: the import lasts until it has been killed
ON_POSTGRESQL = Profile("import", coordinators=Placement(), rest=Placement(Engine.POSTGRESQL))
TABLES = {
    "customers": "customer_id, status",
    "products": "product_id, customer_id, account_id, status, plan_id, start_time, contract_end, kind",
    "ledger_entries": "posting_id, account, amount, currency, kind",
    "imports": "sha256, lines, last_line, created, existing, rejected",
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FILE.exists(), reason=f"the public sample is not there: {FILE}"),
]


@dataclass(frozen=True)
class Site:
    """A region that runs, and how an import reaches it."""

    federation: LocalFederation
    records: Records

    def start_import(self, endpoint: str) -> "subprocess.Popen[str]":
        """The command, calling the node there."""
        numbers = [word for each in NUMBERS for word in ("--numbers", each)]
        arguments = [str(FILE), "--map", str(MAP), *numbers, "--staff-id", "4711", "--patience", str(PATIENCE)]
        return subprocess.Popen(
            [sys.executable, "-m", "region_node.cli.main", "customers", "import", *arguments],
            cwd=ROOT,
            env={**os.environ, **self._environment(endpoint)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def last_line(self) -> int:
        """How far the node is with the file."""
        return self.records.count("SELECT COALESCE(MAX(last_line), 0) FROM imports")

    def contents(self) -> Mapping[str, list[Row]]:
        """The rows of the import, without times; sealed content is opened."""
        with self.records.database.look() as tx:
            lines = [(line, find_customer(tx, line.customer_id)) for line in lines_after(tx, "", "", 2 * CUSTOMERS)]
        return {
            "opened": [
                (line.product_id, line.number, line.address, customer.name, customer.email)
                for line, customer in lines
                if customer is not None
            ],
            **{table: self._rows(table, columns) for table, columns in TABLES.items()},
        }

    def _rows(self, table: str, columns: str) -> list[Row]:
        return [
            tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
            for row in self.records.rows(f"SELECT {columns} FROM {table}")
        ]

    def _environment(self, endpoint: str) -> dict[str, str]:
        return {
            "CROSSREGION_NODE": endpoint,
            "CROSSREGION_CREDENTIALS": str(self.federation.directory / "certificates" / f"{REGION}-{OPERATOR}"),
            "CROSSREGION_FEDERATION": FEDERATION,
            "CROSSREGION_REGION": REGION,
        }


@contextmanager
def site(federation: LocalFederation) -> Iterator[Site]:
    """The federation's one region, running."""
    try:
        federation.prepare()
        federation.start()
        records = Records.of(federation, REGION)
        yield Site(federation, records)
        records.database.close()
    finally:
        federation.kill()


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """The exit code of an import, and what it printed."""
    out, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, out


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[Row]]:
    """The rows of an undisturbed import."""
    with site(
        LocalFederation(tmp_path_factory.mktemp("unbroken"), (REGION,), EMBEDDED, launcher=preloaded.launch)
    ) as region:
        code, said = ended(region.start_import(region.federation.endpoint(REGION)))
        assert code == 0, said
        return region.contents()


def test_the_sample_comes_in_whole(unbroken: Mapping[str, list[Row]]) -> None:
    assert len(unbroken["customers"]) == len(unbroken["products"]) == CUSTOMERS
    assert sum(row[-1] == 2 for row in unbroken["products"]) == BROADBAND
    accounts = {row[2] for row in unbroken["products"]}
    assert len(accounts - {row[1] for row in unbroken["ledger_entries"]}) == WITHOUT_BALANCE
    assert [row[1:] for row in unbroken["imports"]] == [(CUSTOMERS, LAST_LINE, CUSTOMERS, 0, 0)]
    assert len({row[1] for row in unbroken["opened"]}) == CUSTOMERS


@pytest.mark.parametrize("engine", list(Engine), ids=lambda engine: engine.value)
def test_an_import_whose_client_and_node_are_killed_goes_on_and_leaves_the_same(
    engine: Engine, unbroken: Mapping[str, list[Row]], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("postgresql_server") if engine is Engine.POSTGRESQL else None
    profile = ON_POSTGRESQL if engine is Engine.POSTGRESQL else EMBEDDED
    background = Background()
    with site(LocalFederation(tmp_path, (REGION,), profile, server, launcher=preloaded.launch)) as region:
        proxy = FaultProxy(background, lambda: region.federation.endpoint(REGION))
        proxy.delay(SLOW)
        first = region.start_import(proxy.endpoint)
        wait_until(lambda: region.last_line() > 0, PATIENCE, "the first pieces are in")
        first.kill()
        first.communicate()
        done = region.last_line()
        assert 0 < done < LAST_LINE
        second = region.start_import(proxy.endpoint)
        wait_until(lambda: region.last_line() > done, PATIENCE, "more pieces are in")
        region.federation.nodes[REGION][0].process.kill()
        assert done < region.last_line() < LAST_LINE
        proxy.heal()
        region.federation.start_region(REGION)
        code, said = ended(second)
        assert code == 0, said
        left = region.contents()
        for table in left:
            assert sorted(map(repr, left[table])) == sorted(map(repr, unbroken[table])), table
        assert ended(region.start_import(region.federation.endpoint(REGION)))[0] == 0
        assert region.contents() == left
        proxy.close()
    background.close()
