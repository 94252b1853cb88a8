"""The committed artifacts are what the committed sources compile to, and what stands on a chain."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from eth_utils.crypto import keccak

from contracts import artifacts, build, forge
from contracts.devchain import DevChain

PACKAGE = Path(artifacts.__file__).parent
ALLOWED = {"contracts", "eth_abi", "eth_account", "eth_utils"}


def test_artifacts_are_rebuilt_byte_for_byte(tmp_path: Path) -> None:
    for path in build.build(tmp_path):
        assert path.read_bytes() == (build.ARTIFACTS / path.name).read_bytes(), path.name


def test_the_contract_stays_within_its_size() -> None:
    assert len(artifacts.load("Escrow").runtime) <= 24_000


def test_code_on_the_chain_is_the_code_expected(chain: DevChain) -> None:
    hashes = artifacts.expected_runtime_hashes()
    hashes[artifacts.TEST_USDT_ADDRESS] = artifacts.deploy_test_token().runtime_hash
    for address, expected in hashes.items():
        assert keccak(chain.code(address)) == expected


def test_deploying_twice_is_refused_and_harms_nothing(chain: DevChain) -> None:
    for deployment in artifacts.deploy_transactions():
        assert not chain.deploy(deployment).ok
        assert keccak(chain.code(deployment.address)) == deployment.runtime_hash


def test_the_package_leans_on_nothing_of_the_project() -> None:
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                top = name.split(".")[0]
                assert top in ALLOWED or top in sys.stdlib_module_names, f"{path.name} imports {name}"


def test_solidity_tests_pass() -> None:
    done = forge.run(["test"], capture=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("statement", "passes"), [("require(true);", True), ("require(false);", False)])
def test_a_failing_solidity_test_makes_the_command_fail(tmp_path: Path, statement: str, passes: bool) -> None:
    """The canary: the npm launchers of these tools answer 0 whatever happens."""
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "Canary.t.sol").write_text(
        f"pragma solidity 0.8.37; contract Canary {{ function test_canary() public pure {{ {statement} }} }}"
    )
    compiler = PACKAGE / "solc.js"
    (tmp_path / "foundry.toml").write_text(f'[profile.default]\nsolc = "{compiler}"\noffline = true\n')
    command = [sys.executable, "-m", "contracts.forge", "test", "--root", str(tmp_path)]
    done = subprocess.run(command, cwd=forge.ROOT, capture_output=True, text=True, check=False)
    assert "Canary" in done.stdout
    assert (done.returncode == 0) is passes
