"""Drawings of how VGG is evaluated. Numbers: arXiv 1409.1556, sections 3.2 and 4."""

from draw import LARGE, NORMAL, SMALL, Drawing

CROP = 224  # px, the training crop
TABLE_5 = {"크롭": 24.6, "dense": 24.8, "둘의 평균": 24.4}  # column D, three Q, top-1 error, %


def score_side(side: int) -> int:
    """Side of the class score map of a square image (section 3.2)."""
    return side // 32 - 6


def scales() -> Drawing:
    """Which Q go with which S (sections 4.1 and 4.2)."""
    d = Drawing(236)
    at = lambda px: 86 + (px - 208) / (528 - 208) * 326  # noqa: E731
    rows = (("S = 256", (256, 256), (224, 256, 288)), ("S = 384", (384, 384), (352, 384, 416)),
            ("S ∈ [256, 512]", (256, 512), (256, 384, 512)))  # fmt: skip
    for i, (words, (low, high), qs) in enumerate(rows):
        y = 46 + i * 64
        d.lines([(at(208), y), (at(528), y)], "mute", 0.7)
        d.text(0, y + 5, words.replace(" ∈ ", "는\n"), 14, "blue" if i == 2 else "ink", "left", 700)
        if low == high:
            d.circle(at(low), y, 7, "blue", 0.9, 0)
        else:
            d.rect(at(low), y - 7, at(high) - at(low), 14, "blue", 0.45, 0, r=7)
        for q in qs:
            d.polygon([(at(q), y + 11), (at(q) - 6, y + 21), (at(q) + 6, y + 21)], "orange", 1, 0)
            d.text(at(q), y + 36, str(q), SMALL, "orange", weight=700)
    d.circle(92, 14, 6, "blue", 0.9, 0)
    d.text(104, 18, "학습 크기 S", SMALL, "blue", "left")
    d.polygon([(200, 8), (194, 18), (206, 18)], "orange", 1, 0)
    d.text(212, 18, "평가 크기 Q (px)", SMALL, "orange", "left")
    return d


def fc_to_conv() -> Drawing:
    """fc6 as a 7x7 convolution: one position at 224 px, four at 256 px."""
    d = Drawing(262)
    cell = 18
    for x, image in ((14, 224), (232, 256)):
        side = image // 32
        d.text(x + side * cell / 2, 16, f"입력 {image} px", LARGE, weight=700)
        d.text(x + side * cell / 2, 34, f"특징 맵 {side} × {side}", SMALL, "mute")
        y = 46
        d.grid(x, y, [[""] * side] * side, cell, "mute")
        d.rect(x, y, 7 * cell, 7 * cell, "blue", 0.22, 2.4, r=1)
        if side > 7:
            d.rect(x + cell, y + cell, 7 * cell, 7 * cell, "orange", 0.06, 2, r=1, dash="5 4")
        m = score_side(image)
        d.arrow((x + side * cell / 2, y + side * cell + 6), (x + side * cell / 2, y + side * cell + 28), line=2)
        top = 222
        left = x + side * cell / 2 - m * cell / 2
        shades = {(0, 0): ("blue", 0.5)} | ({(1, 1): ("orange", 0.4)} if m > 1 else {})
        d.grid(left, top, [[""] * m] * m, cell, "ink", shades)
        d.text(left + m * cell + 8, top + 14, f"점수 맵 {m} × {m}", NORMAL, "blue", "left", 700)
    d.text(188, 110, "같은\n가중치", SMALL, "blue", weight=700)
    return d


def dense_or_crops() -> Drawing:
    """Two ways to look at an image that is larger than the net's crop, and their mean."""
    d = Drawing(334)
    d.heading("멀티 크롭", 94, 16, "orange", "middle")
    d.heading("dense 평가", 326, 16, "blue", "middle")
    for x in (24, 256):
        d.rect(x, 30, 140, 105, "mute", 0.07, 1.2, r=1)
        d.circle(x + 76, 84, 32, "mute", 0.3, 0)
    for dx, dy in ((4, 3), (64, 6), (34, 26)):
        d.rect(24 + dx, 30 + dy, 72, 72, "orange", 0.1, 1.8, r=1)
    d.rect(256, 30, 140, 105, "blue", 0.1, 2.4, r=1)
    d.text(94, 156, "잘라서 한 장씩, 바깥은 0", SMALL, "mute")
    d.text(326, 156, "자르지 않고 한 번에", SMALL, "mute")
    for i in range(3):
        d.box(30 + i * 46, 168, 38, 24, f"p_{i + 1}", "orange", 0.2)
    d.grid(
        302,
        168,
        [[""] * 3] * 2,
        16,
        "blue",
        {(r, c): ("blue", 0.12 + 0.1 * ((r + 2 * c) % 4)) for r in range(2) for c in range(3)},
    )
    d.text(376, 190, "점수 맵", SMALL, "blue")
    for x, words, tone in ((94, "사후 확률의 평균", "orange"), (326, "점수의 평균 → softmax", "blue")):
        d.arrow((x, 204), (x, 222), line=2)
        d.box(x - 82, 224, 164, 28, words, tone, 0.14)
        d.arrow((x, 254), (x, 272), (210 + (30 if x > 210 else -30), 286), line=2)
    d.box(132, 288, 156, 32, "두 사후 확률의 평균", "ink", 0.1, weight=700)
    d.text(0, 312, f"top-1 오류\n{TABLE_5['크롭']} %", NORMAL, "orange", "left", 700)
    d.text(420, 312, f"top-1 오류\n{TABLE_5['dense']} %", NORMAL, "blue", "right", 700)
    d.height = 352
    d.text(210, 342, f"top-1 오류 {TABLE_5['둘의 평균']} %", LARGE, "ink", weight=700)
    return d


def crop_grid() -> Drawing:
    """The 5x5 grid of crops at three Q, on square images at one scale."""
    d = Drawing(242)
    scale, x = 0.33, 4.0
    for q in (256, 384, 512):
        side, crop, gap = q * scale, CROP * scale, (q - CROP) / 4 * scale
        y = 200 - side
        d.rect(x, y, side, side, "mute", 0.06, 1.2, r=1)
        d.rect(x, y, crop, crop, "blue", 0.14, 1.8, r=1)
        d.rect(x + gap, y, crop, crop, "blue", 0.06, 1.2, r=1, dash="4 3")
        for i in range(5):
            for j in range(5):
                d.circle(x + crop / 2 + i * gap, y + crop / 2 + j * gap, 2.6 if q > 256 else 1.6, "orange", 1, 0)
        d.text(x + side / 2, 218, f"Q = {q}", 14, weight=700)
        d.text(x + side / 2, 236, f"간격 {(q - CROP) // 4} px", SMALL, "orange")
        x += side + 14
    d.text(0, 14, "25자리 × 좌우 반전 2", 14, "blue", "left", 700)
    d.text(0, 32, "= 크기마다 50장", 14, "mute", "left")
    return d


def fusion() -> Drawing:
    """Posteriors of two nets and their mean."""
    d = Drawing(238)
    first, second = (0.38, 0.44, 0.12, 0.06), (0.62, 0.18, 0.08, 0.12)
    mean = [(a + b) / 2 for a, b in zip(first, second, strict=True)]
    for x, words, values, tone in (
        (0, "VGG-16 (D)", first, "blue"),
        (150, "VGG-19 (E)", second, "violet"),
        (304, "평균", mean, "orange"),
    ):
        d.text(x + 58, 18, words, LARGE, tone, weight=700)
        d.lines([(x, 172), (x + 116, 172)], "mute", 1)
        for i, p in enumerate(values):
            top = p == max(values)
            d.rect(x + 8 + i * 27, 172 - p * 210, 20, p * 210, tone, 0.85 if top else 0.3, 0, r=2)
            d.text(
                x + 18 + i * 27,
                166 - p * 210,
                f"{p:.2f}"[1:],
                SMALL,
                tone if top else "mute",
                weight=700 if top else 400,
            )
            d.text(x + 18 + i * 27, 190, "개새차꽃"[i], SMALL, "mute")
    d.text(133, 110, "+", 20, "mute", weight=700)
    d.text(284, 110, "→", 20, "mute", weight=700)
    d.text(210, 226, "점수가 아니라 softmax 뒤의 사후 확률을 평균한다", NORMAL, "ink")
    return d


DRAWINGS = {
    "vgg-scales": scales,
    "vgg-fc-to-conv": fc_to_conv,
    "vgg-dense-or-crops": dense_or_crops,
    "vgg-crop-grid": crop_grid,
    "vgg-fusion": fusion,
}
