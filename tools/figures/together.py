"""Drawings of the pages that stand above the four papers, and the four cards' small pictures."""

from draw import LARGE, NORMAL, PAPER, SMALL, Drawing
from nets import mega, table

NETS = {
    "zfnet": ("ZFNet", 2013),
    "vgg16": ("VGG-16", 2014),
    "resnet34": ("ResNet-34", 2015),
    "densenet121": ("DenseNet-121", 2016),
}
COLOUR = {"zfnet": "orange", "vgg16": "blue", "resnet34": "green", "densenet121": "violet"}


def layers(name: str) -> list[tuple[int, int]]:
    """(channels, side) after each layer with weights, from the image up; projections in shortcuts do not count."""
    found = []
    for row in table(name):
        if row.kind in ("Conv2d", "Linear") and "shortcut" not in row.name:
            found.append((row.shape[0], row.shape[1] if len(row.shape) == 3 else 1))
    return found


def poster() -> Drawing:
    """The four nets at one scale: a bar is a layer, its height the side of its map, the disc the parameters."""
    d = Drawing(414)
    step = 316 / 121
    for i, (name, (title, year)) in enumerate(NETS.items()):
        base, tone, bars = 102 + i * 98, COLOUR[name], layers(name)
        d.text(316, base - 56, title, 17, tone, "right", 700)
        d.text(316, base - 38, f"{year}년 · {len(bars)}층", NORMAL, "mute", "right")
        for j, (channels, side) in enumerate(bars):
            h = 5 + 4.0 * side**0.5
            d.rect(j * step, base - h, step - 0.6, h, tone, 0.35 + 0.6 * min(channels, 1024) / 1024, 0, r=0.6)
        d.lines([(0, base + 1), (316, base + 1)], "mute", 0.5)
        params = table(name).params
        d.circle(376, base - 38, 34 * (params / 138.4e6) ** 0.5, tone, 0.4, 1.2)
        d.text(376, base + 13, mega(params), NORMAL, tone, weight=700)
    d.text(0, 14, "막대 하나 = 가중치 계층 하나", SMALL, "mute", "left")
    d.text(376, 14, "원 = 파라미터", SMALL, "mute")
    return d


def processes() -> Drawing:
    """One step on four processes: shares of the batch, gradients averaged, the same update."""
    n, batch = 4, 256
    d = Drawing(342)
    d.box(110, 0, 200, 34, f"배치 {batch}장", "blue", 0.2, LARGE, 700)
    for i in range(n):
        x = 4 + i * 105
        d.arrow((210, 34), (x + 49, 66), line=1.6)
        d.rect(x, 68, 98, 132, "mute", 0.05, 1.2, r=5)
        d.text(x + 49, 88, f"프로세스 {i}", NORMAL, weight=700)
        d.box(x + 10, 98, 78, 24, f"{batch // n}장", "blue", 0.2, NORMAL)
        d.box(x + 10, 128, 78, 28, "순·역전파", "ink", 0.06, SMALL)
        d.box(x + 10, 162, 78, 28, f"기울기 g_{i}", "orange", 0.25, NORMAL)
        d.arrow((x + 49, 200), (210 + (x + 49 - 210) * 0.5, 226), line=1.6)
    d.box(70, 228, 280, 34, "평균: (g_0 + g_1 + g_2 + g_3) / 4", "orange", 0.25, LARGE, 700)
    for i in range(n):
        x = 4 + i * 105
        d.arrow((210 + (x + 49 - 210) * 0.5, 262), (x + 49, 288), line=1.6)
        d.box(x + 8, 290, 82, 28, "같은 갱신", "green", 0.2, NORMAL)
    d.text(210, 338, "네 프로세스의 가중치는 늘 같다", SMALL, "mute")
    return d


def run_folder() -> Drawing:
    """What a run leaves and who reads it."""
    d = Drawing(252)
    d.rect(0, 8, 184, 40, "blue", 0.15, 1.4, r=5)
    d.text(92, 33, "runs/내-실험/", LARGE, "ink", weight=700)
    files = (("recipe.json", "무엇을 어떤 값으로 학습했나", "실험을 되풀이한다", "ink"),
             ("metrics.csv", "에폭마다 한 줄: 손실과 오류", "그림과 표를 그린다", "ink"),
             ("state-*.safetensors", "가중치, 최적화 상태, 난수", "같은 명령이 여기서 이어 간다", "orange"),
             ("weights.safetensors", "학습한 가중치", "평가하고 다음 학습을 시작한다", "ink"))  # fmt: skip
    for i, (name, words, use, tone) in enumerate(files):
        y = 76 + i * 48
        d.lines([(16, 48 if i == 0 else y - 48), (16, y), (30, y)], "mute", 1.4)
        d.text(38, y + 5, name, NORMAL, tone, "left", 700)
        d.text(200, y - 2, words, SMALL, "ink", "left")
        d.text(200, y + 15, f"→ {use}", SMALL, "orange" if tone == "orange" else "mute", "left")
    return d


def splits() -> Drawing:
    """Train, validation, test: what each is for, and the test set once."""
    d = Drawing(214)
    parts = (
        ("학습", 0, 250, "blue", "가중치를 배운다", "에폭마다"),
        ("검증", 256, 66, "green", "설정을 고른다", "여러 번"),
        ("시험", 336, 84, "orange", "결과를 적는다", "한 번만"),
    )
    for name, x, w, tone, use, times in parts:
        d.box(x, 30, w, 56, name, tone, 0.25, 17, 700)
        d.arrow((x + w / 2, 90), (x + w / 2, 118), colour=tone, line=2)
        d.text(x + w / 2, 140, use, SMALL)
        d.text(x + w / 2, 164, times, LARGE, tone, weight=700)
    d.lines([(329, 20), (329, 124)], "mute", 1.2, "4 4")
    d.text(0, 18, "공개된 학습 데이터", SMALL, "mute", "left")
    d.text(420, 18, "따로 둔 데이터", SMALL, "mute", "right")
    d.text(210, 206, "시험 데이터를 보고 설정을 고치면 그 순간 검증 데이터가 된다", NORMAL)
    return d


def lesson() -> Drawing:
    """How a notebook goes: predict, build by hand, compare with the package, experiment."""
    d = Drawing(150)
    steps = (
        ("예측", "답을 먼저\n적는다", "mute"),
        ("손으로", "새 블록 하나를\n직접 짠다", "blue"),
        ("같은지", "가중치를 옮겨\n출력을 견준다", "green"),
        ("실험", "논문의 주장을\n확인한다", "orange"),
    )
    for i, (name, words, tone) in enumerate(steps):
        x = 48 + i * 108
        d.circle(x, 46, 34, tone, 0.18, 1.8)
        d.text(x, 51, name, LARGE, "ink", weight=700)
        d.text(x, 108, words, SMALL, "ink")
        if i < 3:
            d.arrow((x + 38, 46), (x + 68, 46), line=2)
    return d


def card(paper: str) -> Drawing:
    """A paper's idea as a sign: switches, a pyramid, a shortcut, arcs."""
    d, tone = Drawing(110, width=200), PAPER[paper]
    if paper == "zfnet":
        shades = {(0, 1): (tone, 0.8), (1, 2): (tone, 0.5), (2, 0): (tone, 0.3), (3, 3): (tone, 1)}
        d.grid(4, 9, [[""] * 4] * 4, 23, tone, shades)
        d.grid(
            136,
            27,
            [[""] * 2] * 2,
            28,
            tone,
            {(0, 0): (tone, 0.8), (0, 1): (tone, 0.5), (1, 0): (tone, 0.3), (1, 1): (tone, 1)},
        )
        d.arrow((132, 55), (102, 55), colour=tone, line=3)
    if paper == "vgg":
        for level in range(4):
            n = 7 - 2 * level
            d.grid(
                100 - n * 11,
                84 - level * 26,
                [[""] * n],
                22,
                tone,
                {(0, j): (tone, 0.2 + 0.25 * level) for j in range(n)},
            )
    if paper == "resnet":
        d.arrow((4, 72), (186, 72), colour=tone, line=3)
        for x in (42, 98):
            d.rect(x, 50, 40, 44, tone, 0.5, 0, r=4)
            d.rect(x, 50, 40, 44, tone, 0, 1.6, r=4)
        d.arc(22, 166, 70, 54, tone, 4)
        d.circle(168, 72, 7, tone, 1, 0)
    if paper == "densenet":
        xs = [16 + i * 42 for i in range(5)]
        for i in range(5):
            for j in range(i + 1, 5):
                d.arc(xs[i], xs[j], 86, 14 * (j - i) + 6, tone, 2, head=False)
        for i, x in enumerate(xs):
            d.circle(x, 90, 9, tone, 0.3 + 0.17 * i, 1.4)
    return d


DRAWINGS = {
    "poster": poster,
    "processes": processes,
    "run-folder": run_folder,
    "splits": splits,
    "lesson": lesson,
    **{f"card-{paper}": (lambda paper=paper: card(paper)) for paper in PAPER},
}
