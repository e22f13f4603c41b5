"""Cotenant answers like the tritonserver whose answers were recorded, but for the rows of docs/protocol.md.

A row that does not differ any more fails too, so that the table stays true.
"""

import collections
import json
import re

import pytest

import harness
from cases import CASES
from make_models import make_repositories

ASPECTS = ("status", "code", "content type", "encoding", "closed", "number of answers", "text", "body")
# Of these the table gives the two values, in backticks.
VALUED = ("status", "code", "content type", "encoding")
Row = collections.namedtuple("Row", "case aspect theirs ours")


def value_of(cell):
    text = re.fullmatch(r"`(.*)`", cell)
    return {"none": None}.get(text[1], int(text[1]) if text[1].isdigit() else text[1]) if text else cell


def read_rows():
    """The differences that docs/protocol.md gives a reason for, one Row for each case and aspect."""
    text = (harness.PROJECT / "docs/protocol.md").read_text()
    table = text.split("<!-- differences: begin -->")[1].split("<!-- differences: end -->")[0]
    rows = {}
    for line in table.strip().splitlines()[2:]:
        cases, aspect, theirs, ours, reason = (cell.strip() for cell in line.strip().strip("|").split("|"))
        assert aspect in ASPECTS, f"unknown aspect in: {line}"
        assert reason, f"no reason in: {line}"
        for case in re.findall(r"`([^`]+)`", cases):
            assert (case, aspect) not in rows, f"two rows for {case}: {aspect}"
            rows[case, aspect] = Row(case, aspect, value_of(theirs), value_of(ours))
    return rows


ROWS = read_rows()
RECORDED = {group: json.loads((harness.HERE / f"recorded/{group}.json").read_text())["answers"]
            for group in ("serve", "control")}


@pytest.fixture(scope="session")
def answers(tmp_path_factory):
    """Cotenant's answers to all cases."""
    folder = tmp_path_factory.mktemp("conformance")
    make_repositories(folder)
    found = {}
    for group in ("serve", "control"):
        server = harness.start("cotenant", group, folder)
        try:
            for case in (case for case in CASES if case["group"] == group):
                found[case["name"]] = harness.ask(server, case)
                assert server.process.poll() is None, f"ended at '{case['name']}':\n{server.log_text()}"
        finally:
            server.stop()
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_answers_as_recorded(case, answers):
    found = harness.differences(case, RECORDED[case["group"]][case["name"]], answers[case["name"]])
    for aspect, (theirs, ours) in found.items():
        row = ROWS.get((case["name"], aspect))
        assert row, f"{aspect}: tritonserver {theirs!r}, Cotenant {ours!r}; all of it: {answers[case['name']]!r}"
        if aspect in VALUED:
            assert (row.theirs, row.ours) == (theirs, ours), f"{aspect}: docs/protocol.md gives other values"
    idle = [row.aspect for row in ROWS.values() if row.case == case["name"] and row.aspect not in found]
    assert not idle, f"docs/protocol.md has rows that no longer differ: {idle}"


def test_every_row_names_a_case():
    unknown = {row.case for row in ROWS.values()} - {case["name"] for case in CASES}
    assert not unknown


def test_every_case_is_recorded():
    assert {case["name"] for case in CASES} == {name for answers in RECORDED.values() for name in answers}
