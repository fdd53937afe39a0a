"""Drawings of the ZFNet chapter. Numbers: arXiv 1311.2901 and the package's layer table."""

from math import ceil, floor, pi, sin

from draw import LARGE, NORMAL, SMALL, Drawing
from nets import input_image, mega, output, table, tall, thickness

TABLE_3 = {  # layers removed: validation top-1 error, %
    "다시 만든 AlexNet": ("alexnet", 40.5),
    "7 제거": ("alexnet-no7", 40.0),
    "6, 7 제거": ("alexnet-no67", 44.8),
    "3, 4 제거": ("alexnet-no34", 45.4),
    "3, 4, 6, 7 제거": ("alexnet-no3467", 71.3),
}
PARAMS = {"alexnet": 60_965_224, "no34": 59_268_712, "no7": 44_183_912, "no67": 11_551_080, "no3467": 9_854_568}
TABLE_4 = {"처음부터 학습": (46.5, 1.7), "ImageNet에서 사전 학습": (86.5, 0.5)}  # Caltech-101, 30 a class, accuracy %


def architecture() -> Drawing:
    """Figure 3's net: eight layers with weights."""
    d = Drawing(236, "ZFNet의 구조", "입력 224 픽셀에서 합성곱 다섯 개가 110, 26, 13, 13, 13 픽셀의 특징 맵을 만들고 "
                "풀링 뒤 6 픽셀이 되어 완전 연결 계층 셋으로 이어진다.")  # fmt: skip
    d.heading("ZFNet")
    total = mega(table("zfnet").params)
    d.text(420, 14, f"가중치 계층 8개 · 파라미터 {total}", SMALL, "mute", "right")
    y, x = 96, input_image(d, 4, 96, 224) + 6
    kernels = {"conv1": "7×7 /2", "conv2": "5×5 /2", "conv3": "3×3", "conv4": "3×3", "conv5": "3×3"}
    for layer, kernel in kernels.items():
        channels, side = output("zfnet", layer)
        start = x
        x = d.slab(x, y, thickness(channels), tall(side), "orange", 0.28)
        for row, (words, tone) in enumerate(((str(side), "mute"), (kernel, "ink"), (f"{channels}장", "orange"))):
            d.text((start + x) / 2, y + 82 + 16 * row, words, SMALL, tone)
        x = max(x + 14, start + 50)
    d.arrow((x - 6, y), (x + 8, y))
    for i, units in enumerate((4096, 4096, 1000)):
        h = units**0.5 * 1.1
        d.rect(x + 14 + i * 18, y - h / 2, 8, h, "orange", 0.45, 0.9, r=2)
    d.text(x + 36, y + 82, "4,096 · 4,096", SMALL, "mute")
    d.text(x + 36, y + 98, "완전 연결", SMALL)
    return d


def ceil_sizes() -> Drawing:
    """Why 110 becomes 55: pooling windows counted with floor and with ceil."""
    side, window, stride = 110, 3, 2
    d = Drawing(214, "올림으로 센 풀링", "끝에 세 칸이 다 남지 않은 창을 버리면 54칸, 한 칸이 모자라도 쓰면 55칸이 되는 "
                "것을 110칸 맵의 오른쪽 끝에서 보인다.")  # fmt: skip
    last = floor((side - window) / stride) + 1, ceil((side - window) / stride) + 1
    d.heading(f"{side}칸에 3칸 창을 2칸씩 옮기면?")
    shown, cell, x0, y0 = 9, 32, 66, 62
    first = side - shown
    d.text(x0 - 10, y0 + 21, "…", LARGE, "mute", "right")
    d.grid(x0, y0, [[i + 1 for i in range(first, side)]], cell)
    d.rect(x0 + shown * cell, y0, cell, cell, "mute", 0, 1.2, r=0, dash="3 3")
    d.text(x0 + (shown + 0.5) * cell, y0 - 8, "맵의 바깥", SMALL, "mute")
    for row, start in enumerate(range(last[1] - 4, last[1])):
        left = start * stride - first
        tone = "red" if start == last[1] - 1 else "orange"
        if left < 0:
            continue
        y = y0 + cell + 12 + (row % 2) * 22
        d.rect(x0 + left * cell + 2, y, window * cell - 4, 16, tone, 0.3, 1.2, dash="4 3" if tone == "red" else "")
        d.text(x0 + (left + 1.5) * cell, y + 12.5, f"{start + 1}번째 창", SMALL)
    d.text(0, 176, f"모자란 창을 버리면  ⌊({side} − 3) / 2⌋ + 1 = {last[0]}", 14, "mute", "left")
    d.text(0, 202, f"모자란 창도 쓰면  ⌈({side} − 3) / 2⌉ + 1 = {last[1]}  ← 논문의 크기", 14, "orange", "left", 700)
    return d


def deconvnet() -> Drawing:
    """Figure 1: up and down side by side, with the switches of a 4x4 map."""
    d = Drawing(452, "디컨브넷의 세 단계", "왼쪽은 아래에서 위로 합성곱, ReLU, 최대 풀링을 거치며 최댓값의 위치를 스위치에 적고, "
                "오른쪽은 위에서 아래로 언풀링, ReLU, 전치한 필터를 거쳐 픽셀로 내려온다.")  # fmt: skip
    map_ = [[1, 0, 2, 1], [0, 5, 0, 3], [4, 1, 0, 0], [0, 2, 1, 6]]
    signal = [[3, 0], [2, 7]]
    tones = {(0, 0): "orange", (0, 1): "blue", (1, 0): "green", (1, 1): "violet"}
    best = {w: max(((2 * w[0] + i, 2 * w[1] + j) for i in (0, 1) for j in (0, 1)), key=lambda p: map_[p[0]][p[1]])
            for w in tones}  # fmt: skip
    pooled = [[map_[best[i, j][0]][best[i, j][1]] for j in (0, 1)] for i in (0, 1)]
    unpooled = [["0"] * 4 for _ in range(4)]
    for (i, j), (r, c) in best.items():
        unpooled[r][c] = str(signal[i][j])
    d.heading("올라가는 길", 78, 14, anchor="middle")
    d.heading("내려오는 길", 342, 14, anchor="middle")
    cell, ys = 28, (44, 140)
    shade2 = {w: (tone, 0.35) for w, tone in tones.items()}
    shade4 = {best[w]: (tone, 0.35) for w, tone in tones.items()}
    d.grid(50, ys[0], pooled, cell, shades=shade2)
    d.grid(314, ys[0], signal, cell, shades=shade2)
    d.text(342, ys[0] - 8, "되돌릴 신호", SMALL, "mute")
    d.text(78, ys[0] - 8, "풀링한 맵", SMALL, "mute")
    d.grid(22, ys[1], map_, cell, shades=shade4)
    d.grid(286, ys[1], unpooled, cell, shades=shade4)
    d.arrow((78, ys[1] - 4), (78, ys[0] + 62), line=2)
    d.text(88, ys[1] - 15, "최대 풀링", NORMAL, anchor="left", weight=700)
    d.arrow((342, ys[0] + 62), (342, ys[1] - 4), line=2)
    d.text(332, ys[1] - 15, "① 언풀링", NORMAL, anchor="right", weight=700)
    d.arrow((140, ys[1] + 56), (280, ys[1] + 56), colour="orange", line=2, dash="5 4")
    d.text(210, ys[1] + 46, "스위치", 14, "orange", weight=700)
    d.text(210, ys[1] + 74, "값이 아니라\n최댓값의 위치", SMALL, "orange")
    rows = ((288, "ReLU", "② ReLU", "음수를 0으로"), (350, "필터로 합성곱", "③ 전치한 필터", "뒤집어 합성곱"))
    for y, up, down, note in rows:
        d.arrow((78, y), (78, y - 32), line=2)
        d.arrow((342, y - 32), (342, y), line=2)
        d.box(14, y, 128, 30, up, weight=700)
        d.box(278, y, 128, 30, down, "orange", 0.16, weight=700)
        d.text(210, y + 19, note, SMALL, "mute")
    d.arrow((78, 412), (78, 382), line=2)
    d.arrow((342, 382), (342, 412), line=2)
    d.box(14, 414, 128, 30, "이미지의 픽셀", fill=0.04)
    d.box(278, 414, 128, 30, "되살린 픽셀", "orange", 0.06)
    return d


def switch_add() -> Drawing:
    """Two overlapping windows choose one cell: a deconvnet adds, max_unpool2d overwrites."""
    row, signal, window, stride = (1, 0, 5, 0, 2), (2, 3), 3, 2
    spots = [max(range(s * stride, s * stride + window), key=row.__getitem__) for s in range(len(signal))]
    assert spots[0] == spots[1]
    add, over = [0] * 5, [0] * 5
    for spot, value in zip(spots, signal, strict=True):
        add[spot] += value
        over[spot] = value
    d = Drawing(300, "겹친 창의 언풀링", "다섯 칸 1, 0, 5, 0, 2에서 겹친 두 창이 모두 셋째 칸을 고른다. 신호 2와 3이 내려오면 "
                "더하기는 5, 덮어쓰기는 3을 남긴다.")  # fmt: skip
    cell, x = 44, 100
    hot = {(0, spots[0]): ("orange", 0.4)}
    d.heading("두 창이 같은 칸을 고르면?")
    d.grid(x, 56, [row], cell, shades=hot, size=16)
    for i, tone in enumerate(("blue", "green")):
        left = x + i * stride * cell
        y = 50 - i * 0 if i == 0 else 106
        d.lines([(left + 3, y + (5 if i == 0 else -5)), (left + 3, y), (left + 3 * cell - 3, y),
                 (left + 3 * cell - 3, y + (5 if i == 0 else -5))], tone, 2)  # fmt: skip
        d.text(left + 66, y + (-6 if i == 0 else 17), f"창 {i + 1}: 신호 {signal[i]}", 14, tone, weight=700)
    for y, cells, words, tone in ((160, add, "더한다", "orange"), (230, over, "덮어쓴다", "mute")):
        d.text(x - 12, y + 27, words, 15, tone, "right", 700)
        d.grid(x, y, [cells], cell, shades={(0, spots[0]): (tone, 0.4)}, size=16)
    d.text(x + 5 * cell + 10, 181, "디컨브넷", SMALL, "orange", "left", 700)
    d.text(x + 5 * cell + 10, 197, "2 + 3 = 5", SMALL, "mute", "left")
    d.text(x + 5 * cell + 10, 251, "max_unpool2d", SMALL, "mute", "left")
    d.text(x + 5 * cell + 10, 267, "3만 남는다", SMALL, "mute", "left")
    return d


def masks() -> Drawing:
    """What the three rules let through a ReLU: gradient, deconvnet, guided backpropagation."""
    up, down = (2, -1), (-4, 5)
    rules = {
        "역전파": ([s if u > 0 else 0 for u, s in zip(up, down, strict=True)], "올라갈 때 음수였던 칸을 지운다"),
        "디컨브넷": ([max(s, 0) for s in down], "내려오는 신호의 음수를 지운다"),
        "guided": ([s if u > 0 and s > 0 else 0 for u, s in zip(up, down, strict=True)], "둘 다 지운다"),
    }
    d = Drawing(292, "ReLU를 내려오는 세 규칙", "올라갈 때 2와 −1이던 두 칸에 신호 −4와 5가 내려온다. 역전파는 −4와 0, "
                "디컨브넷은 0과 5, guided backpropagation은 0과 0을 내려보낸다.")  # fmt: skip
    show = lambda values: [[str(v).replace("-", "−") for v in values]]  # noqa: E731
    d.text(96, 16, "올라갈 때의 값", 14, weight=700)
    d.grid(56, 28, show(up), 40, size=16, shades={(0, 1): ("red", 0.2)})
    d.text(300, 16, "내려오는 신호", 14, weight=700)
    d.grid(260, 28, show(down), 40, size=16, shades={(0, 0): ("red", 0.2)})
    d.lines([(0, 92), (420, 92)], "mute", 0.6)
    for i, (name, (values, note)) in enumerate(rules.items()):
        y, tone = 108 + i * 62, "orange" if name == "디컨브넷" else "mute"
        d.text(0, y + 26, name, 15, tone, "left", 700)
        d.grid(96, y, show(values), 40, size=16, shades={(0, j): (tone, 0.3) for j, v in enumerate(values) if v})
        d.text(192, y + 25, note, NORMAL, "ink" if tone == "orange" else "mute", "left")
    return d


def first_layer() -> Drawing:
    """A stripe sampled every 4 pixels looks like a slower stripe; every 2 pixels it does not."""
    period, width = 5.0, 40
    d = Drawing(264, "스트라이드와 에일리어싱", "5 픽셀마다 되풀이되는 무늬를 4 픽셀 간격으로 읽으면 20 픽셀짜리 느린 무늬로 보이고, "
                "2 픽셀 간격으로 읽으면 본래 무늬가 남는다.")  # fmt: skip
    scale = 400 / width

    def wave(every: float, y: float, colour: str, line: float, dash: str = "") -> None:
        points = [(10 + t / 4 * scale, y - 26 * sin(2 * pi * t / 4 / every)) for t in range(width * 4 + 1)]
        d.lines(points, colour, line, dash)

    alias = 1 / abs(1 / period - 1 / 4)
    for y, stride, tone, words in ((74, 4, "red", f"AlexNet, 스트라이드 4: {alias:.0f} 픽셀짜리 가짜 무늬가 보인다"),
                                   (204, 2, "orange", f"ZFNet, 스트라이드 2: {period:.0f} 픽셀짜리 무늬가 그대로 보인다")):  # fmt: skip
        d.text(0, y - 46, words, 14, tone, "left", 700)
        wave(period, y, "mute", 1)
        points = [(10 + t * scale, y - 26 * sin(2 * pi * t / period)) for t in range(0, width + 1, stride)]
        if stride == 4:
            points_alias = [(10 + t / 4 * scale, y + 26 * sin(2 * pi * t / 4 / alias)) for t in range(width * 4 + 1)]
            d.lines(points_alias, tone, 2.4)
        else:
            wave(period, y, tone, 2.4)
        for x, v in points:
            d.circle(x, v, 3.2, tone, 1, 0)
    d.text(210, 258, "점: 필터가 읽는 위치 · 회색 선: 이미지의 무늬", SMALL, "mute")
    return d


def occlusion() -> Drawing:
    """A grey square slides over a cup; the map holds how much of the cup it leaves."""
    d = Drawing(232, "가림 실험", "회색 정사각형을 사진 위에서 옮겨 가며 정답의 확률을 적는다. 물체를 가린 곳에서 확률이 떨어져 지도에 "
                "물체의 모양이 드러난다.")  # fmt: skip
    n, cell, x0, y0 = 8, 18, 4, 44
    cup = {(r, c) for r in range(2, 7) for c in range(2, 5)} | {(3, 5), (4, 6), (5, 5)}
    d.heading("가린 사진", x0)
    d.rect(x0, y0, n * cell, n * cell, "mute", 0.06, 1.2)
    left, top, w, h = x0 + 2 * cell, y0 + 2 * cell, 3 * cell, 5 * cell
    d.path(f"M{left + w} {top + 16}c34 -6 34 58 0 52", "orange", 7)
    d.path(f"M{left} {top}h{w}v{h - 12}q0 12 -12 12h-{w - 24}q-12 0 -12 -12z", "orange", 1.5, 0.6)
    d.rect(x0 + 3 * cell, y0 + 3 * cell, 3 * cell, 3 * cell, "mute", 1, 0, r=1)
    d.arrow((x0 + 6 * cell + 4, y0 + 4.5 * cell), (x0 + 7.6 * cell, y0 + 4.5 * cell), colour="ink")
    d.arrow((154, y0 + 72), (178, y0 + 72), line=2)
    d.box(180, y0 + 48, 74, 48, "네트워크", weight=700)
    d.arrow((256, y0 + 72), (274, y0 + 72), line=2)
    d.heading("P(컵)의 지도", 276)
    for r in range(n):
        for c in range(n):
            hidden = len(cup & {(r + i, c + j) for i in (-1, 0, 1) for j in (-1, 0, 1)}) / 9
            d.rect(276 + c * cell, y0 + r * cell, cell, cell, "orange", 0.85 * (1 - hidden) + 0.02, 0, r=0)
    d.rect(276, y0, n * cell, n * cell, "mute", 0, 1.2, r=0)
    d.rect(276 + 4 * cell, y0 + 4 * cell, cell, cell, "ink", 0, 2, r=0)
    d.text(x0, 208, "정사각형을 한 칸씩 옮긴다", SMALL, "mute", "left")
    d.text(276, 208, "밝을수록 확률이 낮다:", SMALL, "mute", "left")
    d.text(276, 224, "그 자리에 물체가 있다", SMALL, "orange", "left", 700)
    return d


def fields() -> Drawing:
    """Receptive fields of the five convolutions on the 224 px crop, and what the paper saw there."""
    seen = {"conv1": "가장자리, 색", "conv2": "모서리, 색과 가장자리", "conv3": "질감, 그물무늬, 글자", "conv4": "개의 얼굴, 새의 다리",
            "conv5": "자세가 달라도 같은 물체"}  # fmt: skip
    sizes = {layer: table("zfnet")[layer].receptive_field or 0 for layer in seen}
    d = Drawing(258, "계층마다 보는 넓이", "224 픽셀 이미지 위에 다섯 합성곱 계층의 수용 영역을 겹친 정사각형으로 그린다. 위로 갈수록 넓게 본다.")
    scale, x0, y0 = 226 / 224, 2, 28
    d.rect(x0, y0, 226, 226, "mute", 0.05, 1)
    d.text(x0 + 6, y0 - 8, "입력 224 × 224", SMALL, "mute", "left")
    for i, (layer, words) in enumerate(reversed(seen.items())):
        side = sizes[layer] * scale
        middle = x0 + 113, y0 + 113
        d.rect(middle[0] - side / 2, middle[1] - side / 2, side, side, "orange", 0.16, 1.4, r=1)
        y = 46 + i * 46
        d.text(242, y, f"{5 - i}계층 · {sizes[layer]} px", 14, "orange", "left", 700)
        d.text(242, y + 18, words, SMALL, "ink", "left")
    return d


def ablation() -> Drawing:
    """Table 3's removals: validation error beside the parameters that are left."""
    d = Drawing(278, "계층을 빼면", "AlexNet에서 계층을 빼고 다시 학습한 검증 오류. 완전 연결 계층 6, 7을 빼면 파라미터는 81 퍼센트 줄고 오류는 44.8 퍼센트, "
                "합성곱 3, 4까지 빼면 71.3 퍼센트가 된다.")  # fmt: skip
    d.text(128, 14, "검증 top-1 오류 (%)", 14, "orange", "left", 700)
    d.text(420, 14, "남은 파라미터", 14, "mute", "right", 700)
    for i, (words, (name, error)) in enumerate(TABLE_3.items()):
        y = 34 + i * 48
        left = PARAMS[name.removeprefix("alexnet-")] / PARAMS["alexnet"]
        d.text(118, y + 20, words, NORMAL, "ink", "right")
        d.rect(128, y, error * 2.6, 28, "orange", 0.75 if error > 60 else 0.35, 0, r=2)
        d.text(136, y + 19, f"{error}", 14, "ink", "left", 700)
        d.circle(392, y + 14, 15, "mute", 0, 1)
        d.circle(392, y + 14, 15 * left**0.5, "mute", 0.7, 0)
        d.text(368, y + 18.5, f"{left:.0%}", SMALL, "mute", "right")
    return d


def transfer() -> Drawing:
    """Table 4: the same net, with and without what ImageNet taught it."""
    d = Drawing(246, "특징의 전이", "같은 네트워크를 Caltech-101만으로 처음부터 학습하면 46.5 퍼센트, ImageNet에서 배운 1–7계층을 고정하고 "
                "소프트맥스만 새로 학습하면 86.5 퍼센트를 맞힌다.")  # fmt: skip
    for i, (words, (accuracy, spread)) in enumerate(TABLE_4.items()):
        y, tone = 24 + i * 118, "orange" if i else "mute"
        d.text(0, y, words, 15, tone, "left", 700)
        d.text(420, y, "1–7계층은 고정, 소프트맥스만 학습" if i else "여덟 계층을 모두 학습", SMALL, "mute", "right")
        for j in range(8):
            fixed = i and j < 7
            d.rect(j * 23, y + 14, 18, 50, "orange" if i else "mute", 0.5 if fixed else 0.06, 1.2, r=2,
                   dash="" if fixed else "3 2")  # fmt: skip
            d.text(j * 23 + 9, y + 44, str(j + 1), SMALL)
        d.arrow((188, y + 39), (208, y + 39))
        d.rect(212, y + 20, 208, 38, "mute", 0.08, 0, r=3)
        d.rect(212, y + 20, 208 * accuracy / 100, 38, tone, 0.55 if i else 0.3, 0, r=3)
        d.text(222, y + 45, f"{accuracy} ± {spread} %", 17, "ink", "left", 700)
    d.text(420, 236, "Caltech-101, 클래스마다 30장 (표 4)", SMALL, "mute", "right")
    return d


DRAWINGS = {
    "zfnet-architecture": architecture,
    "zfnet-ceil": ceil_sizes,
    "zfnet-deconvnet": deconvnet,
    "zfnet-switches": switch_add,
    "zfnet-masks": masks,
    "zfnet-first-layer": first_layer,
    "zfnet-occlusion": occlusion,
    "zfnet-fields": fields,
    "zfnet-ablation": ablation,
    "zfnet-transfer": transfer,
}
