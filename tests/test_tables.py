"""Tables: what a notebook shows, and the text that its test compares."""

from paperlib.evaluate import Difference
from paperlib.tables import differences_beside_paper, table, values_beside_paper


def test_a_table_as_text_is_aligned_where_hangul_is_two_columns_wide() -> None:
    rows = [("합성곱", 1_234_567, 0.5), ("fc", None, -12.25)]
    assert repr(table(rows, ("계층", "파라미터", "몫"), "표")).splitlines() == [
        "표",
        "계층     파라미터     몫",
        "합성곱  1,234,567    0.5",
        "fc              –  −12.2",
    ]


def test_a_table_as_html_is_escaped_and_numbers_are_at_the_right() -> None:
    html = table([("a < b", 3)], ("", "수"), "<표>")._repr_html_()
    assert "<caption>&lt;표&gt;</caption>" in html
    assert '<td style="text-align:left">a &lt; b</td><td style="text-align:right">3</td>' in html
    assert "<caption>" not in table([], ("수",))._repr_html_()


def test_values_beside_the_papers() -> None:
    shown = values_beside_paper({"D": (24.8, [25.0, 26.0, 27.0]), "E": (None, [30.0])})
    assert shown.columns == ("", "논문 (%)", "여기 (%)", "차이 (%p)")
    assert shown.rows == (("D", "24.8", "26.0 ± 1.0", "+1.2"), ("E", "–", "30.0", "–"))


def test_differences_beside_the_papers() -> None:
    ours = {"A -> B": (-0.9, Difference(-2.0, 1.0)), "B -> C": (-0.6, Difference(2.0, 1.0))}
    shown = differences_beside_paper(ours | {"C -> D": (0.3, Difference(0.5, 1.0)), "D": (None, Difference(-2.0, 1.0))})
    assert shown.rows == (
        ("A -> B", "−0.9", "−2.0 ± 1.0", "논문과 같은 방향"),
        ("B -> C", "−0.6", "+2.0 ± 1.0", "논문과 반대 방향"),
        ("C -> D", "+0.3", "+0.5 ± 1.0", "구별할 수 없다"),
        ("D", "–", "−2.0 ± 1.0", "내려간다"),
    )
