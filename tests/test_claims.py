"""The ledger of the reviews' statements: every check exists, and every value in it comes out."""

import ast
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from paperlib import build
from paperlib.anatomy import Anatomy, anatomy
from paperlib.models.vgg import TABLE_1
from paperlib.recipes import recipe

ROOT = Path(__file__).parents[1]
LEDGER = yaml.safe_load((ROOT / "book" / "claims.yml").read_text(encoding="utf-8"))
PAPERS = yaml.safe_load((ROOT / "book" / "papers.yml").read_text(encoding="utf-8"))
CLAIMS: list[dict[str, Any]] = LEDGER["claims"]
VERDICTS = ("맞음", "부정확", "틀림", "논문에 없음", "여기서 확인 불가")
each = pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim["id"])


@cache
def model(name: str, classes: int | None = None, **options: Any) -> nn.Module:
    with torch.device("meta"):
        return build(name, classes or 1000, **options)


@cache
def rows(name: str, **options: Any) -> Anatomy:
    return anatomy(model(name, **options))


def params(name: str, classes: int | None = None) -> int:
    return sum(p.numel() for p in model(name, classes).parameters())


def macs(name: str, **options: Any) -> int:
    return rows(name, **options).macs


def convolutions(name: str) -> list[nn.Conv2d]:
    return [m for m in model(name).modules() if isinstance(m, nn.Conv2d)]


def linears(name: str, classes: int | None = None) -> list[nn.Linear]:
    return [m for m in model(name, classes).modules() if isinstance(m, nn.Linear)]


def kernels(name: str) -> list[int]:
    return sorted({c.kernel_size[0] for c in convolutions(name)})


def depth(name: str) -> int:
    """Layers with weights on the way from image to logits: projections of shortcuts do not count."""
    modules = model(name).named_modules()
    return sum(isinstance(m, (nn.Conv2d, nn.Linear)) and "shortcut" not in n for n, m in modules)


def channels_by_stage(name: str) -> list[int]:
    pooled = [r.shape[0] for r in rows(name).only("MaxPool2d")]
    return pooled


def stacked_field(*sides: int) -> int:
    """What one value behind convolutions of these kernels, stride 1, sees."""
    net = nn.Sequential(*(nn.Conv2d(1, 1, side) for side in sides))
    fields = [r.receptive_field for r in anatomy(net, (1, 32, 32)) if r.receptive_field]
    return fields[-1]


def bottleneck_kernels() -> list[int]:
    residual = model("resnet50").get_submodule("stages.conv2_x.0.residual")
    return [m.kernel_size[0] for m in residual.modules() if isinstance(m, nn.Conv2d)]


def blocks_by_stage(name: str) -> list[int]:
    return [len(list(model(name).get_submodule(f"stages.conv{n}_x").children())) for n in (2, 3, 4, 5)]


def stage_shapes(name: str) -> list[list[int]]:
    net = build(name).eval()
    with torch.no_grad():
        return [list(maps.shape[1:]) for maps in list(net.features(torch.zeros(1, 3, 224, 224)).values())[-4:]]


def table(name: str) -> dict[Any, Any]:
    """A table of papers.yml by its first column, or its first two where the others are numbers from the third on."""
    content = PAPERS[name]
    if isinstance(content, dict):
        return content
    words = sum(isinstance(value, str) for value in content[0])
    named = {"vgg_table_3": 2}.get(name, words)  # Q follows from S
    skip = max(named, words)
    return {row[0] if named == 1 else tuple(row[:named]): row[skip:] for row in content}


KNOWN = {
    f.__name__: f
    for f in (rows, params, macs, convolutions, linears, kernels, depth, channels_by_stage, stacked_field,
              bottleneck_kernels, blocks_by_stage, stage_shapes, table, recipe)
} | {"TABLE_1": TABLE_1}  # fmt: skip


def plain(value: Any) -> Any:
    """Tuples as lists, as YAML has them; a float that is whole stays a float."""
    return [plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def comes_out(check: dict[str, Any]) -> bool:
    """Whether the value of the ledger is the one computed, to the digits that it has."""
    computed, stated = plain(eval(check["compute"], dict(KNOWN))), check["equals"]
    return bool(computed == stated)


def test_the_ledger_is_whole() -> None:
    assert len(CLAIMS) >= 380
    assert len({c["id"] for c in CLAIMS}) == len(CLAIMS)
    assert {c["review"] for c in CLAIMS} == set(LEDGER["reviews"])
    for review in LEDGER["reviews"].values():
        assert set(review) == {"title", "author", "date", "address", "papers"}


@each
def test_an_entry_says_what_where_and_why(claim: dict[str, Any]) -> None:
    assert claim["verdict"] in VERDICTS
    assert claim["paper"] in LEDGER["reviews"][claim["review"]]["papers"] or claim["review"] == "three-blog"
    assert claim["says"].endswith(".")
    assert claim["verdict"] == "여기서 확인 불가" or claim["place"] or claim["check"] != ["paper"]
    assert claim["verdict"] == "맞음" or claim["why"]


@each
def test_the_checks_of_an_entry_exist_and_its_values_come_out(claim: dict[str, Any]) -> None:
    for check in claim["check"]:
        if isinstance(check, dict):
            assert comes_out(check), (check, plain(eval(check["compute"], dict(KNOWN))))
        elif "::" in check:
            file, _, name = check.partition("::")
            tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
            assert name in {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}, check
        else:
            assert check == "paper" or (ROOT / check).exists(), check


def test_numbers_in_a_wrong_entry_are_caught() -> None:
    """Ten entries broken on purpose: another value, another test, another file."""
    computed = [c for claim in CLAIMS for c in claim["check"] if isinstance(c, dict) and isinstance(c["equals"], int)]
    broken = [check | {"equals": check["equals"] + 1} for check in computed[:: len(computed) // 8][:8]]
    assert len(broken) == 8
    assert not any(comes_out(check) for check in broken)
    with pytest.raises(AssertionError):
        test_the_checks_of_an_entry_exist_and_its_values_come_out({"check": ["tests/test_vgg.py::test_no_such"]})
    with pytest.raises(AssertionError):
        test_the_checks_of_an_entry_exist_and_its_values_come_out({"check": ["book/no_such.ipynb"]})


def test_entries_lead_to_corrections_that_exist() -> None:
    errata = yaml.safe_load((ROOT / "book" / "errata.yml").read_text(encoding="utf-8"))
    labels = {f"errata-{entry['id']}" for entry in errata}
    assert {c["errata"] for c in CLAIMS if "errata" in c} <= labels
