"""Drawings of the VGG chapter. Numbers: arXiv 1409.1556 and the package's table and layer tables."""

from draw import LARGE, NORMAL, SMALL, Drawing
from nets import input_image, mega, stages, table

from paperlib.models.vgg import CHANNELS, TABLE_1

CROP = 224
COLUMNS = {"A": "vgg11", "B": "vgg13", "C": "vgg16_1x1", "D": "vgg16", "E": "vgg19"}
TABLE_5 = {"크롭": 24.6, "dense": 24.8, "둘의 평균": 24.4}  # column D, three Q, top-1 error, %


def score_side(side: int) -> int:
    """Side of the class score map of a square image (section 3.2)."""
    return side // 32 - 6


def architecture() -> Drawing:
    """Column D at the scale of the other three papers."""
    d = Drawing(218, "VGG-16의 구조", "열 D. 3×3 합성곱이 두 개, 두 개, 세 개, 세 개, 세 개씩 쌓이고 스테이지마다 특징 맵의 한 변이 "
                "224, 112, 56, 28, 14 픽셀로 반이 된다. 끝에 완전 연결 계층 셋이 있다.")  # fmt: skip
    d.heading("VGG-16")
    d.text(420, 14, f"가중치 계층 16개 · 파라미터 {mega(table('vgg16').params)}", SMALL, "mute", "right")
    x = input_image(d, 2, 96, CROP)
    groups = [(f"{c}장", len(k), c, CROP // 2**i) for i, (k, c) in enumerate(zip(TABLE_1["vgg16"], CHANNELS, strict=True))]
    edges = stages(d, "vgg", groups, x=x + 14, y=96, gap=16)
    x = edges[-1][1] + 10
    for i, units in enumerate((4096, 4096, 1000)):
        h = units**0.5 * 1.1
        d.rect(x + i * 16, 96 - h / 2, 8, h, "blue", 0.45, 0.9, r=2)
    d.text(x + 20, 178, "4,096", SMALL, "mute")
    d.text(x + 20, 194, "완전 연결", SMALL)
    d.text(0, 214, "합성곱은 모두 3×3이다. 스테이지 사이의 풀링이 크기를 반으로 줄인다.", SMALL, "mute", "left")
    return d


def pyramid() -> Drawing:
    """Receptive field of stacked 3x3 convolutions, in one dimension."""
    d = Drawing(262, "수용 영역의 피라미드", "3×3 합성곱을 세 번 쌓으면 맨 위 한 칸이 입력의 일곱 칸을 본다. 계층마다 양옆으로 한 칸씩 넓어진다.")
    cell, middle, layers = 40, 170, 3
    for level in range(layers + 1):
        seen = 1 + 2 * (layers - level)
        y = 222 - level * 66
        cells = 7 - 2 * level
        d.grid(middle - cells * cell / 2, y, [[""] * cells], cell, colour="blue",
               shades={(0, j): ("blue", 0.14 + 0.16 * level) for j in range(cells)})  # fmt: skip
        d.text(middle + 7 * cell / 2 + 16, y + 18, "입력" if level == 0 else f"{level}층", 14, anchor="left", weight=700)
        d.text(middle + 7 * cell / 2 + 16, y + 35, f"{seen}칸" if level == 0 else f"{1 + 2 * level}칸을 본다", SMALL,
               "blue" if level else "mute", "left")  # fmt: skip
        if level < layers:
            for sign in (-1, 1):
                d.lines([(middle + sign * cells * cell / 2, y), (middle + sign * (cells - 2) * cell / 2, y - 26)], "blue", 1.2, "3 3")
    return d


def stack() -> Drawing:
    """Three 3x3 against one 7x7: the same field, fewer parameters."""
    three, seven = 3 * 3 * 3, 7 * 7
    d = Drawing(246, "3×3 셋과 7×7 하나", f"둘 다 입력의 7×7을 본다. 채널 한 쌍에 3×3 셋은 가중치 {three}개와 비선형 셋, "
                f"7×7 하나는 가중치 {seven}개와 비선형 하나를 쓴다.")  # fmt: skip
    d.heading("3×3 셋", 86, 16, "blue", "middle")
    d.heading("7×7 하나", 322, 16, "mute", "middle")
    for i in range(3):
        x, y = 10 + i * 54, 82
        d.grid(x, y, [[""] * 3] * 3, 16, "blue", {(r, c): ("blue", 0.3) for r in range(3) for c in range(3)})
        d.text(x + 24, y + 68, "ReLU", SMALL, "blue", weight=700)
    d.grid(258, 46, [[""] * 7] * 7, 18, "mute", {(r, c): ("mute", 0.22) for r in range(7) for c in range(7)})
    d.text(321, 190, "ReLU", SMALL, "mute", weight=700)
    d.text(86, 216, f"3 × 9 = {three}", 19, "blue", weight=700)
    d.text(322, 216, f"49 = {seven}".replace("49 = ", "7 × 7 = "), 19, "mute", weight=700)
    d.text(86, 238, f"{1 - three / seven:.0%} 적다 · 비선형 셋", NORMAL, "ink")
    d.text(322, 238, "비선형 하나", NORMAL, "mute")
    d.text(206, 112, "보는 넓이는\n같다", SMALL, "mute")
    return d


def columns() -> Drawing:
    """Table 1 as towers of layers."""
    d = Drawing(400, "표 1의 다섯 열", "열 A에서 E까지 합성곱 계층을 탑으로 쌓았다. 11층에서 19층까지 깊어지는 동안 파라미터는 133 M에서 144 M으로만 는다.")
    step, h, w, base = 84, 15, 62, 336
    for i, (letter, name) in enumerate(COLUMNS.items()):
        x, y = i * step + 11, base
        tone = "blue" if letter == "D" else "mute"
        for stage, kernels in enumerate(TABLE_1[name]):
            for kernel in kernels:
                y -= h
                one = kernel == "1"
                d.rect(x, y + 1.5, w, h - 3, "orange" if one else "blue", 0.55 if one else 0.12 + 0.11 * stage, 0, r=2)
                if one:
                    d.text(x + w / 2, y + 12, "1×1", SMALL, weight=700)
            y -= 5
        for _ in range(3):
            y -= h
            d.rect(x, y + 1.5, w, h - 3, "ink", 0.25, 0, r=2)
        layers = sum(map(len, TABLE_1[name])) + 3
        d.text(x + w / 2, y - 6, f"{layers}층", 14, tone, weight=700)
        d.text(x + w / 2, base + 20, letter, 17, tone, weight=700)
        d.text(x + w / 2, base + 38, mega(table(name).params), SMALL, "mute")
    d.text(0, 396, "파랑: 3×3 합성곱 · 주황: 1×1 합성곱 · 회색: 완전 연결", SMALL, "mute", "left")
    return d


def costs() -> Drawing:
    """Where column D keeps its parameters and where it computes."""
    rows = table("vgg16")
    d = Drawing(206, "파라미터와 계산은 다른 곳에 있다", "VGG-16의 파라미터는 대부분 첫 완전 연결 계층 fc6에, 곱셈은 거의 모두 합성곱 계층에 있다.")
    conv = [row for row in rows if row.kind == "Conv2d"]
    parts = {"합성곱 13개": conv, "fc6": [rows["fc6"]], "fc7, fc8": [rows["fc7"], rows["fc8"]]}
    for i, (words, total, unit, pick) in enumerate((
        ("파라미터", rows.params, mega(rows.params), lambda r: r.params),
        ("곱셈과 덧셈", rows.macs, f"{rows.macs / 1e9:.1f} GMAC", lambda r: r.macs),
    )):  # fmt: skip
        y, x = 16 + i * 104, 0.0
        d.text(0, y, words, LARGE, anchor="left", weight=700)
        d.text(420, y, unit, LARGE, "mute", "right")
        for (part, layers), (tone, fill) in zip(parts.items(), (("blue", 0.6), ("orange", 0.6), ("ink", 0.25)), strict=True):
            share = sum(map(pick, layers)) / total
            d.rect(x, y + 10, max(share * 420 - 1.5, 1), 38, tone, fill, 0, r=2)
            if share > 0.05:
                d.text(x + 8, y + 34, f"{part} {share:.0%}" if share > 0.2 else f"{share:.0%}", NORMAL, "ink", "left", 700)
            x += share * 420
    d.text(420, 80, "오른쪽 끝: fc7, fc8", SMALL, "mute", "right")
    d.text(0, 200, "fc6 하나가 7 × 7 × 512 × 4,096개의 가중치를 갖는다.", SMALL, "mute", "left")
    return d


def crop_geometry() -> Drawing:
    """A 4:3 photograph at three S with the 224 px crop at the same scale."""
    d = Drawing(206, "S와 크롭", "짧은 변을 S로 맞춘 사진 셋 위에 224 픽셀 크롭을 같은 축척으로 그린다. S가 256이면 크롭이 고양이를 거의 다 "
                "담고, 512면 얼굴 한가운데만 담는다.")  # fmt: skip
    scale, x, base = 0.252, 0.0, 158
    for s in (256, 384, 512):
        w, h, crop = s * 4 / 3 * scale, s * scale, CROP * scale
        y = base - h
        d.rect(x, y, w, h, "mute", 0.08, 1.2, r=1)
        cx, cy, r = x + w * 0.5, y + h * 0.52, h * 0.34
        d.polygon([(cx - r, cy - r * 0.2), (cx - r * 0.85, cy - r * 1.35), (cx - r * 0.25, cy - r * 0.85)], "orange", 0.55, 0)
        d.polygon([(cx + r, cy - r * 0.2), (cx + r * 0.85, cy - r * 1.35), (cx + r * 0.25, cy - r * 0.85)], "orange", 0.55, 0)
        d.circle(cx, cy, r, "orange", 0.55, 0)
        for sign in (-1, 1):
            d.circle(cx + sign * r * 0.38, cy - r * 0.15, r * 0.1, "ink", 1, 0)
        d.rect(cx - crop / 2 - 2, cy - crop / 2 - 1, crop, crop, "blue", 0.12, 2.4, r=1)
        d.text(x + w / 2, base + 20, f"S = {s}", 14, weight=700)
        d.text(x + w / 2, base + 38, f"{s * 4 / 3:.0f} × {s} px", SMALL, "mute")
        x += w + 16
    d.text(0, 14, "파란 칸: 224 × 224 크롭", 14, "blue", "left", 700)
    d.text(0, 32, "사진의 짧은 변을 S로 맞춘다", SMALL, "mute", "left")
    return d


def scales() -> Drawing:
    """Which Q go with which S (sections 4.1 and 4.2)."""
    d = Drawing(236, "학습 크기 S와 평가 크기 Q", "S가 256이면 Q는 224, 256, 288, S가 384면 352, 384, 416이고, S를 256과 512 사이에서 뽑아 학습하면 Q는 256, 384, 512다.")
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
    d = Drawing(262, "완전 연결 계층이 합성곱이 된다", "224 픽셀에서는 7×7 특징 맵을 7×7 필터가 한 번 덮어 값 하나를, 256 픽셀에서는 8×8 맵을 네 자리에서 덮어 2×2 점수 맵을 낸다.")
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
        top = 222 if m == 1 else 222
        left = x + side * cell / 2 - m * cell / 2
        shades = {(0, 0): ("blue", 0.5)} | ({(1, 1): ("orange", 0.4)} if m > 1 else {})
        d.grid(left, top, [[""] * m] * m, cell, "ink", shades)
        d.text(left + m * cell + 8, top + 14, f"점수 맵 {m} × {m}", NORMAL, "blue", "left", 700)
    d.text(188, 110, "같은\n가중치", SMALL, "blue", weight=700)
    return d


def dense_or_crops() -> Drawing:
    """Two ways to look at an image that is larger than the net's crop, and their mean."""
    d = Drawing(334, "크롭, dense 평가, 둘의 평균", "왼쪽은 크롭을 여러 장 잘라 한 장씩 네트워크에 넣고 사후 확률을 평균한다. 오른쪽은 이미지 전체를 한 번 넣어 점수 맵을 평균한다. 아래에서 두 사후 확률을 평균한다.")
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
    d.grid(302, 168, [[""] * 3] * 2, 16, "blue", {(r, c): ("blue", 0.12 + 0.1 * ((r + 2 * c) % 4)) for r in range(2) for c in range(3)})
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
    d = Drawing(242, "5×5 격자의 크롭", "Q가 256, 384, 512인 정사각형 이미지에 크롭 중심 25개를 찍는다. 이웃한 크롭은 8, 40, 72 픽셀 떨어져 있다.")
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
    d = Drawing(238, "융합", "D와 E 두 네트워크의 사후 확률을 클래스마다 평균한다. D는 둘째 클래스를, E는 첫째 클래스를 고르고 평균은 첫째를 고른다.")
    first, second = (0.38, 0.44, 0.12, 0.06), (0.62, 0.18, 0.08, 0.12)
    mean = [(a + b) / 2 for a, b in zip(first, second, strict=True)]
    for x, words, values, tone in ((0, "VGG-16 (D)", first, "blue"), (150, "VGG-19 (E)", second, "violet"), (304, "평균", mean, "orange")):
        d.text(x + 58, 18, words, LARGE, tone, weight=700)
        d.lines([(x, 172), (x + 116, 172)], "mute", 1)
        for i, p in enumerate(values):
            top = p == max(values)
            d.rect(x + 8 + i * 27, 172 - p * 210, 20, p * 210, tone, 0.85 if top else 0.3, 0, r=2)
            d.text(x + 18 + i * 27, 166 - p * 210, f"{p:.2f}"[1:], SMALL, tone if top else "mute", weight=700 if top else 400)
            d.text(x + 18 + i * 27, 190, "개새차꽃"[i], SMALL, "mute")
    d.text(133, 110, "+", 20, "mute", weight=700)
    d.text(284, 110, "→", 20, "mute", weight=700)
    d.text(210, 226, "점수가 아니라 softmax 뒤의 사후 확률을 평균한다", NORMAL, "ink")
    return d


DRAWINGS = {
    "vgg-architecture": architecture,
    "vgg-pyramid": pyramid,
    "vgg-stack": stack,
    "vgg-columns": columns,
    "vgg-costs": costs,
    "vgg-crop": crop_geometry,
    "vgg-scales": scales,
    "vgg-fc-to-conv": fc_to_conv,
    "vgg-dense-or-crops": dense_or_crops,
    "vgg-crop-grid": crop_grid,
    "vgg-fusion": fusion,
}
