"""The distribution of the client: built, installed without the project, and used by the program of the tutorial."""

import json
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
from asyncio import to_thread
from pathlib import Path

import grpc
import pytest

from deploy.release.client import REQUIRED, main, modules, pyproject
from tests.federation.commands import as_caller
from tests.federation.counter import Counter
from tests.federation.running import Federation

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial" / "from-python.md"
SECONDS = 120  # for one command, of which the slowest takes ten on a quiet machine
LOADED = """
import json, sys
import gateway.client, gateway.api.region.v1.order_service_pb2_grpc
named = {name.partition(".")[0] for name, module in sys.modules.items() if getattr(module, "__file__", None)}
print(json.dumps([gateway.client.__file__, sorted(named & {"gateway", "region_node", "coordinator", "deploy"})]))
"""


def run(directory: Path, *command: str | Path, **environment: str) -> str:
    """The output of a command that succeeds in a directory, with nothing of the environment of the tests."""
    ended = subprocess.run(
        [str(word) for word in command],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """An interpreter that has the wheel of the client, and the packages of others that the tests have."""
    main(ROOT, tmp_path / "source")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")
    options = ("--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir")
    run(tmp_path, *pip, "wheel", *options, tmp_path, tmp_path / "source")
    venv.create(tmp_path / "venv")
    interpreter = tmp_path / "venv" / "bin" / "python"
    (wheel,) = tmp_path.glob("crossregion_client-*.whl")
    run(tmp_path, *pip, "--python", interpreter, "install", "--no-deps", "--no-index", wheel)
    places = sysconfig.get_paths(vars={"base": str(tmp_path / "venv"), "platbase": str(tmp_path / "venv")})
    # A path alone: what is installed here as editable stays out of reach.
    Path(places["purelib"], "others.pth").write_text(sysconfig.get_path("purelib"))
    return interpreter


@pytest.mark.long("builds a wheel, and makes an environment for it")
async def test_the_wheel_of_the_client_alone_runs_the_program_of_the_tutorial(
    federation: Federation, guangdong: Counter, python: Path, tmp_path: Path
) -> None:
    place, own = json.loads(await to_thread(run, tmp_path, python, "-c", LOADED))
    assert place.startswith(str(tmp_path))
    assert own == ["gateway"]
    (program,) = re.findall(r"^```python\n(# pay\.py\n.*?)^```", TUTORIAL.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    (tmp_path / "pay.py").write_text(program.replace('"python-1"', f'"{federation.next_id()}"'))
    caller = as_caller(federation, "guangdong", "operator/counter")
    told = await to_thread(run, tmp_path, python, tmp_path / "pay.py", **caller, NUMBER=await guangdong.new_customer())
    assert "ORDER_STATE_COMPLETED" in told


def test_the_client_holds_no_server_and_requires_each_package_that_it_imports() -> None:
    found, outside = modules(ROOT)
    floors = {path.parts[1] for path in found if len(path.parts) > 2}
    assert floors == {"api", "client", "process", "security", "settings", "time", "values", "wording"}
    assert outside == {"click", "cryptography", "google.protobuf", "google.rpc", "grpc", "pkcs11", "tenacity"}
    project = tomllib.loads(pyproject((ROOT / "pyproject.toml").read_text("utf-8")))["project"]
    assert {re.split(r"[=<>]", each)[0] for each in project["dependencies"]} == REQUIRED
    assert f"grpcio=={grpc.__version__}" in project["dependencies"]


def test_a_package_that_the_project_no_longer_requires_fails_the_build() -> None:
    without = (ROOT / "pyproject.toml").read_text("utf-8").replace('    "tenacity",\n', "")
    with pytest.raises(ValueError, match="tenacity"):
        pyproject(without)
