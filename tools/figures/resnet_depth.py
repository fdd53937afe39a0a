"""Drawings of what depth does with and without shortcuts. Numbers: arXiv 1512.03385."""

from math import comb

from draw import LARGE, NORMAL, SMALL, Drawing

TABLE_2 = {"plain": {18: 27.94, 34: 28.54}, "ResNet": {18: 27.88, 34: 25.03}}  # 10-crop top-1 error, %
TABLE_6 = {20: 8.75, 32: 7.51, 44: 7.17, 56: 6.97, 110: 6.43, 1202: 7.93}  # CIFAR-10 test error, %


def degradation() -> Drawing:
    """Table 2 as two lines between 18 and 34 layers."""
    d = Drawing(268)
    at = lambda error: 40 + (28.9 - error) / (28.9 - 24.6) * 190  # noqa: E731
    left, right = 120, 290
    for x, words in ((left, "18층"), (right, "34층")):
        d.lines([(x, 26), (x, 236)], "mute", 0.7)
        d.text(x, 258, words, LARGE, weight=700)
    for name, tone in (("plain", "red"), ("ResNet", "green")):
        a, b = TABLE_2[name][18], TABLE_2[name][34]
        d.lines([(left, at(a)), (right, at(b))], tone, 3.5)
        for x, v in ((left, a), (right, b)):
            d.circle(x, at(v), 5.5, tone, 1, 0)
        d.text(right + 14, at(b) + 5, f"{b:.2f}", 16, tone, "left", 700)
        d.text(right + 14, at(b) + 24, f"{name} {b - a:+.2f}".replace("-", "−"), NORMAL, tone, "left")
    d.text(left - 14, at(28.2), f"{TABLE_2['plain'][18]:.2f}", 16, "red", "right", 700)
    d.text(left - 14, at(27.62), f"{TABLE_2['ResNet'][18]:.2f}", 16, "green", "right", 700)
    d.text(0, 14, "ImageNet top-1 오류 (%)", SMALL, "mute", "left")
    return d


def identity() -> Drawing:
    """The solution by construction of section 3.1."""
    d = Drawing(216)
    for y, words, tone in ((22, "학습한 20층", "green"), (104, "항등 층을 더해 지은 56층", "green")):
        d.text(0, y, words, 14, tone, "left", 700)
    for y, extra in ((34, 0), (116, 18)):
        for i in range(10):
            d.rect(i * 14, y, 10.5, 34, "green", 0.55, 0, r=2)
        for i in range(extra):
            d.rect(140 + i * 14 * 0.8, y, 8.5, 34, "green", 0.0, 1.2, r=2, dash="2 2")
        end = 140 + extra * 11.2
        d.arrow((end + 4, y + 17), (end + 22, y + 17), line=2)
        d.text(end + 28, y + 22, "출력", 14, anchor="left", weight=700)
    d.lines([(141, 158), (141, 163), (338, 163), (338, 158)], "mute", 1)
    d.text(240, 180, "받은 것을 그대로 넘기는 층: 출력도 오류도 같다", SMALL, "mute")
    d.text(0, 208, "이 해가 있는데도 plain-56의 학습 오류는 plain-20보다 크다.", 14, "red", "left", 700)
    return d


def paths() -> Drawing:
    """Three blocks unrolled: two ways through each, eight paths in all, counted by length."""
    blocks = 3
    d = Drawing(246)
    for i in range(blocks):
        x = 58 + i * 116
        d.box(x, 60, 64, 36, f"블록 {i + 1}", "green", 0.2, weight=700)
        d.arrow((x - 40, 78), (x - 2, 78), line=2)
        d.arc(x - 28, x + 82, 76, 42, "green", 2.6)
        d.circle(x + 84, 78, 6, "green", 1, 0)
    d.arrow((380, 78), (410, 78), line=2)
    d.text(6, 83, "x", 17, weight=700)
    d.text(0, 14, "블록마다 지나거나 건너뛴다: 2 × 2 × 2 = 8", 14, "green", "left", 700)
    d.text(0, 136, "지나는 블록의 수", SMALL, "mute", "left")
    for k in range(blocks + 1):
        n = comb(blocks, k)
        x = 116 + k * 78
        d.text(x + 18, 136, f"{k}개", NORMAL, weight=700)
        for j in range(n):
            d.rect(x, 206 - j * 22, 36, 18, "green", 0.25 + 0.15 * k, 0, r=2)
        d.text(x + 18, 240, f"{n}", 15, "green", weight=700)
    d.text(0, 240, "경로의 수", SMALL, "mute", "left")
    return d


def depths() -> Drawing:
    """Table 6: error against depth."""
    d = Drawing(252)
    at = lambda error: 40 + (9.0 - error) / (9.0 - 6.0) * 150  # noqa: E731
    points = [(40 + i * 68, at(error)) for i, error in enumerate(TABLE_6.values())]
    d.text(0, 14, "시험 오류 (%)", SMALL, "mute", "left")
    d.lines([(10, 204), (410, 204)], "mute", 0.8)
    d.lines(points[:-1], "green", 3)
    d.lines(points[-2:], "red", 3, "5 4")
    for (x, y), (depth, error) in zip(points, TABLE_6.items(), strict=True):
        tone = "red" if depth == 1202 else "green"
        d.circle(x, y, 5.5, tone, 1, 0)
        d.text(x, y + 24 if depth == 110 else y - 14, f"{error}", LARGE, tone, "left" if depth == 32 else "middle", 700)
        d.text(x, 224, f"{depth:,}", 14, weight=700)
    d.text(210, 246, "층수 (간격은 비례하지 않는다)", SMALL, "mute")
    return d


DRAWINGS = {
    "resnet-degradation": degradation,
    "resnet-identity": identity,
    "resnet-paths": paths,
    "resnet-depths": depths,
}
