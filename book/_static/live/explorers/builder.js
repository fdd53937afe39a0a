/* Any network of the papers, put together: what it costs, equal to paperlib.anatomy. */
live.explorers.builder = (page) => {
  "use strict";
  const { anatomy, element: el } = live;
  const family = { value: page.options.start || "vgg" }, o = { column: "D", block: "bottleneck", size: "3,4,6,3", shortcut: "B", strideOn: "1x1",
    form: "small", n: 16, k: 12, theta: 0.5, bottleneck: true, depth: "121" };
  const SIZES = [["2,2,2,2", "2-2-2-2"], ["3,4,6,3", "3-4-6-3"], ["3,4,23,3", "3-4-23-3"], ["3,8,36,3", "3-8-36-3"],
    ["3,3,3", "3-3-3 (32 px)"], ["5,5,5", "5-5-5 (32 px)"], ["9,9,9", "9-9-9 (32 px)"], ["18,18,18", "18-18-18 (32 px)"]];
  const KINDS = { Conv2d: 0, Linear: 1, MaxPool2d: 2, AvgPool2d: 2, input: 3, PadShortcut: 4 };
  let before = null;

  const build = {
    alexnet: () => anatomy.alexnet(), zfnet: () => anatomy.zfnet(), vgg: () => anatomy.vgg({ column: o.column }),
    resnet: () => {
      const blocks = o.size.split(",").map(Number), large = blocks.length === 4;
      return anatomy.resnet({ large, block: o.block, blocks, shortcut: o.shortcut, strideOn: o.strideOn,
        classes: large ? 1000 : 10 });
    },
    densenet: () => (o.form === "large"
      ? anatomy.densenet({ large: true, depth: +o.depth, growth: +o.depth === 161 ? 48 : 32 })
      : anatomy.densenet({ depth: o.n * (o.bottleneck ? 6 : 3) + 4, growth: o.k, bottleneck: o.bottleneck,
        compression: o.theta, classes: 10 })),
  };
  const set = (key) => (value) => { o[key] = value; show(); };
  const controls = {
    alexnet: [], zfnet: [],
    vgg: [live.choice("표 1의 열", Object.keys(anatomy.VGG).map((c) => [c, c]), "D", set("column"))],
    resnet: [live.select("블록 수", SIZES, o.size, set("size")),
      live.choice("블록", [["plain", "지름길 없음"], ["basic", "기본"], ["bottleneck", "병목"]], o.block, set("block")),
      live.choice("지름길", ["A", "B", "C"].map((v) => [v, v]), "B", set("shortcut")),
      live.choice("병목의 스트라이드", [["1x1", "1×1 (논문)"], ["3x3", "3×3"]], "1x1", set("strideOn"))],
    densenet: [live.choice("형태", [["small", "32 px"], ["large", "ImageNet"]], "small", (v) => { o.form = v; arrange(); }),
      live.select("깊이", Object.keys(anatomy.DENSE).map((d) => [d, d]), "121", set("depth")),
      live.slider("블록의 계층", { min: 2, max: 40, value: 16, show: (v) => `${v}개` }, set("n")),
      live.slider("성장률 k", { min: 4, max: 48, step: 4, value: 12 }, set("k")),
      live.slider("압축 θ", { min: 0.1, max: 1, step: 0.1, value: 0.5, show: (v) => v.toFixed(1) }, set("theta")),
      live.check("병목 (B)", true, set("bottleneck"))],
  };
  const chosen = el("div"), picture = el("div", { class: "live-drawing" }), facts = el("div"), rows = el("div");

  function arrange() {
    const all = controls[family.value], [form, depth, ...small] = all;
    chosen.replaceChildren(...(family.value !== "densenet" ? all : o.form === "large" ? [form, depth] : [form, ...small]));
    show();
  }

  function show() {
    const table = build[family.value](), now = [table.params, table.macs, table.activations, table.field];
    const ratio = (i) => (before && before[i] !== now[i] ? `×${(now[i] / before[i]).toFixed(2)}` : null);
    const weighty = table.rows.filter((r) => r.name.startsWith("conv") || r.kind === "Linear" || r.name.includes("conv"))
      .filter((r) => r.kind !== "BatchNorm2d" && r.kind !== "ReLU" && !r.name.includes("shortcut"));
    facts.replaceChildren(live.facts([["층", weighty.filter((r) => r.params).length, "가중치가 있는"],
      ["파라미터", live.count(now[0]), ratio(0)], ["계산량", `${live.count(now[1])}MAC`, ratio(1)],
      ["활성값", live.count(now[2]), ratio(2)], ["수용 영역", `${now[3]} px`, ratio(3)]]));
    picture.replaceChildren(draw(table));
    rows.replaceChildren(live.table(["계층", "출력", "파라미터", "MAC", "수용 영역"], table.rows.map((r) => [r.name,
      `${r.c}×${r.side}×${r.side}`, r.params.toLocaleString(), r.macs.toLocaleString(), r.field ?? "전체"])));
    page.say(`파라미터 ${now[0].toLocaleString()}개, ${now[1].toLocaleString()} MAC. 작은 ×는 바로 앞 선택과 견준 것이다.`);
    before = now;
    page.table = table;
  }

  /* Every layer with weights or a pool as a slab: as high as its map, as wide as the logarithm of its channels. */
  function draw(table) {
    const shown = table.rows.filter((r) => r.kind in KINDS), first = shown[0].side;
    const widths = shown.map((r) => Math.max(1.5, Math.log2(r.c)));
    const free = 640 - 4, scale = free / widths.reduce((a, b) => a + b + 1.6, 0);
    let x = 2;
    const bars = shown.map((r, i) => {
      const high = Math.max(3, 150 * (Math.log2(r.side + 1) / Math.log2(first + 1))), wide = widths[i] * scale;
      const bar = el("rect", { x: x.toFixed(2), y: (80 - high / 2).toFixed(2), width: wide.toFixed(2), rx: Math.min(2, wide / 3),
        height: high.toFixed(2), fill: `var(--live-${KINDS[r.kind]})`, "fill-opacity": r.kind === "input" ? 0.5 : 0.85 },
      el("title", {}, `${r.name}: ${r.c}×${r.side}×${r.side}`));
      x += wide + 1.6 * scale;
      return bar;
    });
    return el("svg", { viewBox: "0 0 640 160", role: "img", "aria-label": `계층 ${shown.length}개의 그림. 높이는 맵의 크기, 폭은 채널 수(로그)` }, ...bars);
  }

  page.body.replaceChildren(
    live.choice("네트워크", [["alexnet", "AlexNet"], ["zfnet", "ZFNet"], ["vgg", "VGG"], ["resnet", "ResNet"],
      ["densenet", "DenseNet"]], family.value, (v) => { family.value = v; arrange(); }),
    chosen, facts, picture,
    el("p", { class: "live-caption" }, "높이는 맵의 크기, 폭은 채널 수(모두 로그). 파랑 합성곱, 주황 완전 연결, 초록 풀링."),
    el("details", {}, el("summary", {}, "계층의 표"), el("div", { class: "live-scroll", tabindex: "0", role: "region", "aria-label": "계층의 표" }, rows)));
  arrange();
};
