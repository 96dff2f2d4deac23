"""The export of a chain that has lost rows: the published script counts on by the row that names them."""

import json
import runpy
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.auditing import audit
from gateway.auditing.audit import Head
from gateway.store.sqlite import SqliteTransaction
from region_node.cli.node.audit_export import Proof, Wanted, export, written
from region_node.cli.node.audit_witnesses import Countersigned
from tests.empty_database import empty_database
from tests.simulation.world import keys

SCRIPT = Path(__file__).parents[2] / "deploy" / "audit" / "check_export.py"
NOW = datetime(2026, 8, 3, 9, tzinfo=UTC)
CUSTOMER = "customer-1"


def test_an_export_shows_the_row_that_names_lost_ones_and_a_changed_one_proves_nothing() -> None:
    with closing(empty_database("gateway", "region_node")) as connection:
        tx = SqliteTransaction(connection)
        for subject in (CUSTOMER, "another"):
            audit.append(tx, now=NOW, actor="a", action="Add", subject=subject)
        late = NOW + timedelta(days=40)
        audit.append_after_loss(tx, beyond=5, now=late, actor="a", subject="b", detail="coordinator had seen row 4")
        audit.append(tx, now=late, actor="a", action="Add", subject="another")
        end = audit.head(tx)
        seen = [Countersigned("henan", Head(4, bytes(32)), 1, b"1", b"-")]
        proof = Proof(keys().signers["sichuan"], b"-", [*seen, Countersigned("guangdong", end, 1, b"1", b"-")])
        wanted = Wanted("crossregion.example", "sichuan", CUSTOMER, NOW, NOW + timedelta(days=1))
        lines = [json.loads(written(line)) for line in export(tx, wanted, proof)]
    script = runpy.run_path(str(SCRIPT))
    hashes, shown = script["walk"](lines[0], lines[1:-1])
    assert hashes[end.sequence] == end.hash.hex()
    assert [row["sequence"] for row in shown] == [1]
    assert script["losses_of"](lines[1:-1]) == ["rows 3 to 7 do not exist: coordinator had seen row 4"]
    assert [each["witness"] for each in lines[-1]["witnesses"]] == ["guangdong"], "the other one saw a lost row"
    (loss,) = [line["row"] for line in lines[1:-1] if line.get("row", {}).get("action") == audit.LOSS]
    loss["sequence"] += 1
    with pytest.raises(script["Wrong"], match="row 9 stands where row 3 must be"):
        script["walk"](lines[0], lines[1:-1])
