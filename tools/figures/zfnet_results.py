"""Drawings of what ZFNet saw and gained. Numbers: arXiv 1311.2901 and the package's layer table."""

from math import pi, sin

from draw import NORMAL, SMALL, Drawing
from nets import table

TABLE_3 = {  # layers removed from the authors' AlexNet: validation top-1 error, %
    "": 40.5,
    "7": 40.0,
    "67": 44.8,
    "34": 45.4,
    "3467": 71.3,
}
TABLE_4 = {"처음부터 학습": (46.5, 1.7), "ImageNet에서 사전 학습": (86.5, 0.5)}  # Caltech-101, 30 a class, accuracy %


def first_layer() -> Drawing:
    """A stripe sampled every 4 pixels looks like a slower stripe; every 2 pixels it does not."""
    period, width = 5.0, 40
    d = Drawing(264)
    scale = 400 / width

    def wave(every: float, y: float, colour: str, line: float, dash: str = "") -> None:
        points = [(10 + t / 4 * scale, y - 26 * sin(2 * pi * t / 4 / every)) for t in range(width * 4 + 1)]
        d.lines(points, colour, line, dash)

    alias = 1 / abs(1 / period - 1 / 4)
    for y, stride, tone, words in (
        (74, 4, "red", f"AlexNet, 스트라이드 4: {alias:.0f} 픽셀짜리 가짜 무늬가 보인다"),
        (204, 2, "orange", f"ZFNet, 스트라이드 2: {period:.0f} 픽셀짜리 무늬가 그대로 보인다"),
    ):
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


def fields() -> Drawing:
    """Receptive fields of the five convolutions on the 224 px crop, and what the paper saw there."""
    seen = {
        "conv1": "가장자리, 색",
        "conv2": "모서리, 색과 가장자리",
        "conv3": "질감, 그물무늬, 글자",
        "conv4": "개의 얼굴, 새의 다리",
        "conv5": "자세가 달라도 같은 물체",
    }
    sizes = {layer: table("zfnet")[layer].receptive_field or 0 for layer in seen}
    d = Drawing(258)
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


def parameters_without(removed: str) -> int:
    """Parameters of AlexNet when these layers are taken out and the next one reads what the one before wrote."""
    rows = table("alexnet")
    left = rows.params - sum(rows[f"conv{i}" if i in "34" else f"fc{i}"].params for i in removed)
    if "3" in removed:  # conv5 reads the 256 maps of conv2, each of its two groups half of them
        left += 3 * 3 * (256 // 2) * 256 + 256 - rows["conv5"].params
    if "6" in removed:  # fc8 reads the 6x6 map
        left += 256 * 6 * 6 * 1000 + 1000 - rows["fc8"].params
    return left


def ablation() -> Drawing:
    """Table 3's removals: validation error beside the parameters that are left."""
    d = Drawing(278)
    d.text(128, 14, "검증 top-1 오류 (%)", 14, "orange", "left", 700)
    d.text(420, 14, "남은 파라미터", 14, "mute", "right", 700)
    for i, (removed, error) in enumerate(TABLE_3.items()):
        y = 34 + i * 48
        left = parameters_without(removed) / parameters_without("")
        d.text(118, y + 20, f"{', '.join(removed)} 제거" if removed else "다시 만든 AlexNet", NORMAL, "ink", "right")
        d.rect(128, y, error * 2.6, 28, "orange", 0.75 if error > 60 else 0.35, 0, r=2)
        d.text(136, y + 19, f"{error}", 14, "ink", "left", 700)
        d.circle(392, y + 14, 15, "mute", 0, 1)
        d.circle(392, y + 14, 15 * left**0.5, "mute", 0.7, 0)
        d.text(368, y + 18.5, f"{left:.0%}", SMALL, "mute", "right")
    return d


def transfer() -> Drawing:
    """Table 4: the same net, with and without what ImageNet taught it."""
    d = Drawing(246)
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
    "zfnet-first-layer": first_layer,
    "zfnet-fields": fields,
    "zfnet-ablation": ablation,
    "zfnet-transfer": transfer,
}
