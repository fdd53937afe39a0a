/* One activation back to pixels, step by step (ZFNet, section 2.1). */
live.explorers.deconvnet = (page) => {
  "use strict";
  const { element: el } = live, state = { layer: "relu3", channel: null, overwrite: false, other: "" };
  const NAMES = [["zfnet-caltech", "ZFNet"], ["alexnet-caltech", "AlexNet"], ["vgg-caltech", "VGG"]];
  const STEPS = { unit: "활성값 하나", maxpool: "언풀링", relu: "정류", conv: "전치 합성곱" };
  let name = page.options.start || "zfnet-caltech", photo, maps, found, shown;

  const view = live.canvas("사진과 수용 영역", (pen, width) => {
    if (!found) return;
    const { image, box: [y0, x0, y1, x1] } = found, s = width / image.width;
    pen.drawImage(live.bitmap(image), 0, 0, width, width);
    live.stroke(pen, "#ffd54a", x0 * s, y0 * s, (x1 - x0) * s, (y1 - y0) * s);
  }, { most: 320 });
  const pixels = live.canvas("되돌린 픽셀", (pen, width) => {
    if (!found) return;
    const { box: [y0, x0, y1, x1] } = found, s = width / found.image.width;
    pen.drawImage(live.signalBitmap(found.pixels), 0, 0, width, width);
    live.stroke(pen, "#ffd54a", x0 * s, y0 * s, (x1 - x0) * s, (y1 - y0) * s, 1);
  }, { most: 320 });

  /* The maps of the layer by their strongest activation. */
  function strongest() {
    const map = maps.layers.find((l) => l.name === state.layer), most = new Float32Array(map.c);
    map.data.forEach((v, i) => { most[i % map.c] = Math.max(most[i % map.c], v); });
    return Array.from(most, (v, c) => [v, c]).sort((a, b) => b[0] - a[0]);
  }

  const run = live.latest(() => page.work(async () => {
    const order = strongest();
    state.channel ??= order[0][1];
    channel.set(state.channel, order.length - 1);
    top.replaceChildren(...order.slice(0, 8).map(([, c]) => {
      const button = live.button(String(c), () => { state.channel = c; run(); });
      button.setAttribute("aria-pressed", String(c === state.channel));
      button.setAttribute("aria-label", `맵 ${c}`);
      return button;
    }));
    const other = state.other ? await live.photograph(state.other) : null;
    found = await live.call("project", name, photo, state.layer, state.channel, { overwrite: state.overwrite, other });
    view.draw();
    pixels.draw();
    const kept = found.steps.filter((s) => s.op !== "relu" || s === found.steps[1]);
    shown.replaceChildren(...kept.map((step) => {
      const live_ = live.mapBitmap(step, null), canvas = el("canvas", { width: step.w, height: step.h, "aria-hidden": "true" });
      canvas.getContext("2d").drawImage(live_, 0, 0);
      const alive = step.data.reduce((sum, v) => sum + (v !== 0), 0);
      return el("figure", {}, canvas, el("figcaption", {}, el("b", {}, STEPS[step.op]), ` ${step.name}`,
        el("br"), `${step.c}×${step.h}×${step.w}, 0이 아닌 값 ${alive.toLocaleString()}개`));
    }));
    page.say(found.value > 0
      ? `${state.layer} 맵 ${state.channel}의 가장 강한 활성값 ${found.value.toPrecision(3)} (${found.row + 1}행 ${found.column + 1}열)을 `
        + `픽셀로 되돌렸다. 노란 상자가 그 값이 보는 픽셀이다.${state.other ? " 스위치는 다른 사진의 것이라 모양이 무너진다." : ""}`
      : `맵 ${state.channel}은 이 사진에 반응하지 않는다.`);
  }));

  async function change(network) {
    name = network;
    const net = await live.network(name);
    maps = await live.call("features", name, photo);
    const layers = net.layers.slice(0, net.layers.findIndex((l) => l.name === "fc6")).filter((l) => l.op === "relu").map((l) => l.name);
    if (!layers.includes(state.layer)) state.layer = layers.at(-1);
    layer.set(state.layer, layers.map((l) => [l, l]));
    state.channel = null;
    await run();
  }
  const layer = live.select("계층", [["relu3", "relu3"]], "relu3", (v) => { state.layer = v; state.channel = null; run(); });
  const channel = live.slider("맵", { min: 0, max: 127, value: 0, show: (v) => `${v}번` }, (v) => { state.channel = v; run(); });
  const top = el("div", { class: "live-choice", role: "group", "aria-label": "가장 강한 맵" });

  page.onDemand([name], "로켓 사진에서 가장 강한 활성값 하나를 골라, 그 값을 만든 픽셀까지 되돌린다.", async (first) => {
    photo = first;
    shown = el("div", { class: "live-steps", tabindex: "0", role: "region", "aria-label": "되돌리는 단계" });
    page.body.append(el("div", {},
      el("div", { class: "live-pair" }, el("div", {}, view.canvas, el("p", { class: "live-caption" }, "네트워크가 본 사진")),
        el("div", {}, pixels.canvas, el("p", { class: "live-caption" }, "되돌린 픽셀 (회색이 0)"))),
      el("div", { class: "live-controls" }, live.picker(page.root, async (next) => { photo = next; await change(name); }, page.say, "rocket"),
        live.choice("네트워크", NAMES, name, (v) => page.work(() => change(v))), layer, channel,
        el("div", { class: "live-control" }, el("span", { class: "live-name" }, "강한 맵"), top),
        live.select("스위치", [["", "이 사진의 것"], ["astronaut", "우주인의 것"], ["chelsea", "고양이의 것"], ["rocket", "로켓의 것"]], "",
          (v) => { state.other = v; run(); }),
        live.choice("겹친 자리", [["", "더한다"], ["1", "덮어쓴다"]], "", (v) => { state.overwrite = !!v; run(); }))),
    el("p", { class: "live-caption" }, "활성값에서 픽셀까지, 왼쪽에서 오른쪽으로. 밝기는 그 자리의 채널 벡터의 길이다."), shown);
    await change(name);
  }, "rocket");
  return "idle";
};
